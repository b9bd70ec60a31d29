# One image for every process: web, workers, beat, guardian, and the commands of manage.py. compose.yml starts them.

ARG PYTHON=3.11.14-slim-bookworm

# --- Packages: wheels with known checksums only, so nothing is compiled ---
FROM python:${PYTHON} AS packages
RUN python -m venv /venv
COPY requirements/base.txt /tmp/base.txt
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: \
        -r /tmp/base.txt

# --- The product ---
FROM python:${PYTHON}
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DJANGO_SETTINGS_MODULE=tradingsite.settings
RUN groupadd --gid 10001 trading \
    && useradd --uid 10001 --gid trading --no-create-home --home-dir /data --shell /usr/sbin/nologin trading \
    && install --directory --owner trading --group trading /data
COPY --from=packages /venv /venv
WORKDIR /app
COPY . .
# Production settings want secrets; these live for this one step.
RUN ENVIRONMENT=production DATA_DIR=/tmp/build ALLOWED_HOSTS=build \
        SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
        CREDENTIALS_KEYS="$(python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())')" \
        python manage.py collectstatic --noinput --verbosity 0 \
    && python -m compileall -q . \
    && rm -rf /tmp/build
# From here on nothing writes bytecode: the file system may be read-only.
ENV PYTHONDONTWRITEBYTECODE=1 ENVIRONMENT=production DATA_DIR=/data
USER trading
EXPOSE 8000
CMD ["daphne", "-v", "0", "-b", "0.0.0.0", "-p", "8000", "tradingsite.asgi:application"]
