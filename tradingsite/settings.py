"""Every setting, read from the environment (`.env` and `.env.local` fill in what the process was not given).

Without any variable the product runs as one process on this machine. Impossible values are refused below,
all at once, before anything is opened. The names are explained in `.env.example`.
"""

import base64
import os
from pathlib import Path

import environ
from django.core.management.utils import get_random_secret_key
from kombu import Exchange, Queue

from tradingsite import __version__, environment, logs, problems

BASE_DIR = Path(__file__).resolve().parent.parent

# --- What the machine says -------------------------------------------------------------------------------

GIVEN = environment.given(BASE_DIR)
env = environ.Env()
env.ENVIRON = GIVEN

DATA_DIR = BASE_DIR / env.str("DATA_DIR", default="var")
problems.refuse_impossible(GIVEN, DATA_DIR)
DATA_DIR.mkdir(parents=True, exist_ok=True)

VERSION = __version__
ENVIRONMENT = env.str("ENVIRONMENT", default="development")
PRODUCTION = ENVIRONMENT == "production"
# Off even in development: it would keep every query of a process that runs for weeks.
DEBUG = env.bool("DEBUG", default=False)

# --- Trading ---------------------------------------------------------------------------------------------

PORT = env.int("PORT", default=8000)
FEED = env.str("FEED", default="simulated")
SPEED = env.float("SPEED", default=None)
LIVE_TRADING = env.bool("LIVE_TRADING", default=False)
PROVIDERS = environment.providers(GIVEN)
EXCHANGE_ACCOUNTS = environment.exchange_accounts(GIVEN)
EXCHANGE_URLS = environment.exchange_urls(GIVEN)

# --- Keys ------------------------------------------------------------------------------------------------

KEYS_DIR = DATA_DIR / "keys"
SECRET_KEY = GIVEN.get("SECRET_KEY") or environment.kept_key(KEYS_DIR, "secret_key", get_random_secret_key)
# The first encrypts, all of them decrypt; so a key is replaced by putting a new one in front.
CREDENTIALS_KEYS = problems.words(GIVEN.get("CREDENTIALS_KEYS", "")) or [
    environment.kept_key(KEYS_DIR, "credentials_key", lambda: base64.urlsafe_b64encode(os.urandom(32)).decode())
]

# --- Applications ----------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "tradingsite.apps.DaphneConfig",  # first: it replaces runserver
    "whitenoise.runserver_nostatic",
    "unfold",  # before the admin it dresses
    "tradingsite.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_structlog",
    "django_htmx",
    "channels",
    "markets",
    "ledger",
    "bots",
    "tradingsite.apps.TradingSiteConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "tradingsite.headers.PageHeaders",
    "tradingsite.headers.AllowedOrigins",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
]

ROOT_URLCONF = "tradingsite.urls"
ASGI_APPLICATION = "tradingsite.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "bots.fragments.frame",
            ],
        },
    },
]

# --- Database --------------------------------------------------------------------------------------------

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'trading.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # WAL without IMMEDIATE fails at once when a read transaction turns into a write.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
    }
else:
    # A connection that the server has closed is replaced before anybody meets it.
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        # A frozen process must not keep its locks: others wait for them.
        "options": "-c idle_in_transaction_session_timeout=60000",
        **DATABASES["default"].get("OPTIONS", {}),
        # Each process has a pool of its own. All of them together stay below the server's max_connections: six
        # processes with 8 each need at most 48 of PostgreSQL's 100. Threads beyond the pool wait for their turn.
        "pool": {
            "min_size": 1,
            "max_size": env.int("DATABASE_POOL", default=8),
            "timeout": 20,  # less than a cycle has
            "reconnect_timeout": 10,  # then anew, instead of ever longer pauses
        },
    }

# --- Broker, sockets, cache ------------------------------------------------------------------------------

REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL:
    # Nobody waits long for a Redis that is away: the database is the truth, and what Redis would carry is repeated.
    REDIS_PATIENCE = {"socket_connect_timeout": 2, "socket_timeout": 3, "socket_keepalive": True}
    # The pub/sub layer keeps no groups in Redis, so flushing Redis does not silence open pages.
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [{"address": REDIS_URL, **REDIS_PATIENCE}]},
        }
    }
    CACHES = {
        "default": {
            "BACKEND": "tradingsite.caches.ForgivingRedisCache",
            "LOCATION": REDIS_URL,
            "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
        }
    }
else:
    REDIS_PATIENCE = {}
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# --- Tasks -----------------------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL or "memory://localhost"
# A message that its worker did not begin is given to another one after this many seconds: longer than any cycle.
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {**REDIS_PATIENCE, "visibility_timeout": 3600, "max_retries": 0} if REDIS_URL else {"polling_interval": 0.05}
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker as long as it takes
CELERY_TIMEZONE = "UTC"
CELERY_TASK_DEFAULT_EXCHANGE = "tasks"
# Each with its own routing key: queues that share the default one would all get every task.
CELERY_TASK_QUEUES = [
    Queue(name, Exchange(CELERY_TASK_DEFAULT_EXCHANGE), routing_key=name) for name in ("cycles", "market", "lab")
]
CELERY_TASK_DEFAULT_QUEUE = CELERY_TASK_DEFAULT_ROUTING_KEY = "cycles"
CELERY_TASK_CREATE_MISSING_QUEUES = False
# A lost message is made up for by the database: the next tick finds what is due.
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None  # no results, so no task that cleans them up
# Once more, for a connection that Redis has closed; what is not sent then is sent again later.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1}
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = env.int("WORKER_THREADS", default=100 if REDIS_URL else 24)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False  # into the log, whose lines end on standard error themselves
CELERY_WORKER_ENABLE_REMOTE_CONTROL = bool(REDIS_URL)
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = {
    "dispatch": {
        "task": "bots.tasks.dispatch",
        "schedule": 1.0,
        "options": {"queue": "market", "expire_seconds": 2},
    },
    "answer-pages": {
        "task": "bots.tasks.answer_pages",
        "schedule": 1.0,
        "options": {"queue": "cycles", "expire_seconds": 2},
    },
    "check-keys": {
        "task": "ledger.tasks.check_keys",
        "schedule": 5.0,
        "options": {"queue": "cycles", "expire_seconds": 5},
    },
    "sign-of-life": {
        "task": "bots.tasks.sign_of_life",
        "schedule": 10.0,
        "options": {"queue": "cycles", "expire_seconds": 10},
    },
    # By the clock of the wall: a simulated market passes days in an hour.
    "prune": {
        "task": "tradingsite.tasks.prune",
        "schedule": 3600.0,
        "options": {"queue": "lab", "expire_seconds": 600},
    },
    # Whoever asks for a backtest tells a worker too: this is for those whose message was lost.
    "run-backtests": {
        "task": "bots.tasks.run_backtests",
        "schedule": 15.0,
        "options": {"queue": "lab", "expire_seconds": 15},
    },
    "settle-lost-calls": {
        "task": "bots.tasks.settle_lost_calls",
        "schedule": 20.0,
        "options": {"queue": "cycles", "expire_seconds": 20},
    },
}

# --- What is kept ----------------------------------------------------------------------------------------

# In days of market time (backtests: of wall time); what is older is removed once an hour, and by `manage.py prune`.
# Trades, orders, positions, cash, intents, decisions that acted or were refused, and trading states are kept for ever.
KEEP_DAYS = {
    "candles": env.int("KEEP_CANDLES_DAYS", default=14),
    "equity": env.int("KEEP_EQUITY_DAYS", default=7),
    "equity_hourly": env.int("KEEP_EQUITY_HOURLY_DAYS", default=90),
    "holds": env.int("KEEP_HOLDS_DAYS", default=30),
    "reports": env.int("KEEP_REPORTS_DAYS", default=7),
    "backtests": env.int("KEEP_BACKTESTS_DAYS", default=90),
}

# Candles of real exchanges by timeframe, in days; those that are not named are kept for ever.
KEEP_REAL_CANDLES = problems.timeframe_days(GIVEN.get("KEEP_REAL_CANDLES", ""))

# --- People ----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "ledger.User"
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
globals().update(EMAIL_CONFIG)

# --- API -------------------------------------------------------------------------------------------------

# Each token (or signed-in person) for itself, and each address that is neither; written as 600/min.
API_RATES = {
    "client": env.str("API_RATE", default="600/min"),
    "address": env.str("API_RATE_ANONYMOUS", default="30/min"),
}
REST_FRAMEWORK: dict[str, object] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "ledger.tokens.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["ledger.tokens.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["ledger.throttles.PerClient", "ledger.throttles.PerAddress"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Trading API",
    "DESCRIPTION": "Bots, accounts, orders, trades and decisions. Amounts are decimal strings, times UTC.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # Fields of one name with different choices: without these their types would be called by a checksum.
    "ENUM_NAME_OVERRIDES": {
        "BotStatus": "bots.models.BotStatus",
        "CycleStatus": "bots.models.CycleStatus",
        "OrderState": "ledger.models.OrderState",
        "PositionState": "ledger.models.PositionState",
        "TradingState": "ledger.models.TradingStateKind",
        "AccountKind": "ledger.models.AccountKind",
        "BookKind": "ledger.models.BookKind",
        "FeedKind": "markets.models.FeedKind",
        "InstrumentKind": "markets.models.instruments.InstrumentKind",
        "DiaryKind": "bots.diary.Kind",
    },
}

# --- Words, times, files ---------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / env.str("STATIC_ROOT", default="staticfiles")
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
# Outside production files are served from where they lie, so nothing has to be collected first.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not PRODUCTION
WHITENOISE_MAX_AGE = 60 if PRODUCTION else 0
WHITENOISE_ALLOW_ALL_ORIGINS = False

# --- Security --------------------------------------------------------------------------------------------

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$", r"^metrics$"]
# Only behind a proxy that sets this header itself: anyone else could claim to speak https.
TLS_PROXY = env.bool("TLS_PROXY", default=False)
# Rates are counted by address. Behind the proxy that is the last one in X-Forwarded-For, which the proxy has written;
# without a proxy anyone could claim to be another there.
REST_FRAMEWORK["NUM_PROXIES"] = 1 if TLS_PROXY else 0
if TLS_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True

# --- Logs ------------------------------------------------------------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
# In production lines go to standard error alone, where a container or a service manager keeps them.
LOG_DIR = env.str("LOG_DIR", default=str(DATA_DIR / "logs") if ENVIRONMENT == "development" else "")
LOGGING = logs.configuration(
    level=LOG_LEVEL,
    folder=BASE_DIR / LOG_DIR if LOG_DIR else None,
    json_lines=PRODUCTION,
    secrets=logs.secret_values(GIVEN),
)
logs.configure_structlog()
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_STATUS_DEFAULT_LOG_LEVEL = 10
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = 10
DJANGO_STRUCTLOG_STATUS_2XX_LOG_LEVEL = 10
DJANGO_STRUCTLOG_CELERY_DEFAULT_LOG_LEVEL = 10
DJANGO_STRUCTLOG_CELERY_TASK_START_LOG_LEVEL = 10
DJANGO_STRUCTLOG_CELERY_TASK_SUCCESS_LOG_LEVEL = 10

# --- Control room ----------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "Trading control room",
    "SITE_HEADER": "Trading control room",
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_URL": "/",
    "SHOW_BACK_BUTTON": True,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"show_search": True, "navigation": "tradingsite.admin.navigation"},
}
FORMAT_MODULE_PATH = "tradingsite.formats"
