# syntax=docker/dockerfile:1
# Targets: `gateway` (REST and gRPC, no torch) and `export` (writes model repositories, with torch).

FROM python:3.11-slim AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY deploy/server deploy/server
COPY red_align red_align
COPY red red
COPY export export
COPY service service
COPY evaluation evaluation
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin red

FROM base AS gateway
# Uploads are read from the folder; everything else may be mounted read-only.
RUN pip install . ./deploy/server && install -d -o red -g nogroup /var/tmp/red-align
ENV RED_HOST=0.0.0.0 \
    RED_HTTP_PORT=8080 \
    RED_GRPC_PORT=8081 \
    RED_TEMP_DIR=/var/tmp/red-align
EXPOSE 8080 8081
USER 10001
HEALTHCHECK --interval=5s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["red-align", "serve"]

FROM base AS export
# The build for CPUs: without the index pip takes gigabytes of CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# A new volume takes its owner from the folder that it is mounted on.
# hadolint ignore=DL3013
RUN pip install --index-url "${TORCH_INDEX}" torch==2.13.0 && pip install . './deploy/server[export]' && install -d -o red /models
# What the graphs were made of: a repository is compared with torch before it is served.
COPY training/edge-4/weights.pt training/edge-3/weights.pt
USER 10001
ENTRYPOINT ["red-export"]
CMD ["--help"]
