"""Settings of the test suite: a data folder of its own that goes away, quick passwords, no `.env` files.

DATABASE_URL and REDIS_URL of the environment are honoured, so that the suite can also run on the servers of
production.
"""

import os
import tempfile
from pathlib import Path

FOLDER = tempfile.TemporaryDirectory(prefix="trading-tests-")
os.environ["ENVIRONMENT"] = "testing"
os.environ["DATA_DIR"] = FOLDER.name
os.environ["LOG_LEVEL"] = "WARNING"
for name in ("LIVE_TRADING", "LOG_DIR", "DEBUG", "FEED", "SPEED", "PORT", "SECRET_KEY", "CREDENTIALS_KEYS"):
    os.environ.pop(name, None)
# Nothing a test starts may find a key that costs or moves money.
for name in [
    name for name in os.environ if name.endswith("_API_KEY") or name.startswith(("ACCOUNT_", "EXCHANGE_URL_"))
]:
    del os.environ[name]

from tradingsite.settings import *  # noqa: E402, F403
from tradingsite.settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file: threads of a test see one database only if it is not in memory.
    DATABASES["default"]["TEST"] = {"NAME": str(Path(FOLDER.name) / "test.sqlite3")}

# Tests ask as often as they like; those of the limits set their own.
API_RATES = {"client": None, "address": None}
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", "testserver"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
