# An image of the server: a small system, Python, and what requirements.txt locks. It runs as a user without rights, also
# with a read-only root file system; everything that it writes is in /var/lib/tallystick and /tmp.
# The version of Python is the one that the tests run on.
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim AS build
WORKDIR /source
RUN python -m venv --without-pip /opt/tallystick
COPY requirements.txt ./
RUN python -m pip --python /opt/tallystick/bin/python install --no-cache-dir --no-deps --require-hashes \
        --requirement requirements.txt
COPY . .
RUN python -m pip --python /opt/tallystick/bin/python install --no-cache-dir --no-deps --no-build-isolation .

FROM python:${PYTHON_VERSION}-slim
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/tallystick --create-home --shell /usr/sbin/nologin \
        tallystick \
    && chmod 0700 /var/lib/tallystick
COPY --from=build /opt/tallystick /opt/tallystick
ENV PATH=/opt/tallystick/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    TALLYSTICK_DATA_DIR=/var/lib/tallystick
USER 10001:10001
WORKDIR /var/lib/tallystick
VOLUME /var/lib/tallystick
EXPOSE 8765
STOPSIGNAL SIGTERM
# The start reads the event store's parts and may bring the control database up to date.
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8765/healthz', timeout=4)"]
ENTRYPOINT ["tallystick"]
CMD ["serve", "--host", "0.0.0.0"]
