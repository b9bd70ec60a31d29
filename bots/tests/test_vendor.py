"""The vendored files are what their packages hold, and pages load nothing from elsewhere."""

import hashlib
import re

import pytest
from django.conf import settings

STATIC, TEMPLATES = settings.BASE_DIR / "static", settings.BASE_DIR / "templates"
VENDOR = STATIC / "vendor"
SUMS = dict(reversed(line.split()) for line in (VENDOR / "SHA256SUMS").read_text().splitlines() if line.strip())


def test_every_vendored_file_has_a_sum():
    files = {path.name for path in VENDOR.iterdir() if path.suffix in (".js", ".css")}
    assert files == set(SUMS)


@pytest.mark.parametrize("name", SUMS)
def test_vendored_files_are_unchanged(name):
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == SUMS[name]


def test_every_vendored_file_is_named_with_its_licence():
    readme = (VENDOR / "README.md").read_text()
    assert all(f"`{name}`" in readme for name in SUMS)
    assert len(list((VENDOR / "licences").iterdir())) == 6


@pytest.mark.requirement("SEC-03")
def test_nothing_is_loaded_from_another_site_and_no_script_is_inline():
    own = [*TEMPLATES.rglob("*.html"), *(STATIC / "css").iterdir(), *(STATIC / "js").iterdir()]
    for path in own:
        text = path.read_text()
        assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?(https?:)?//", text), path
        assert "@import" not in text, path
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"\son[a-z]+\s*=", text) or path.suffix != ".html", path
