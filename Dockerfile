# The image of `sluice`. No test of this repository builds it (they need no container engine): the
# locked requirements, the wheel and its entry point are tested one by one.
#
# Reproducible with BuildKit 0.13, the base by its digest, and the time of the commit:
#   docker buildx build --build-arg BASE=python:3.13-slim@sha256:... \
#     --build-arg SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" \
#     --output type=image,name=sluice,rewrite-timestamp=true .
ARG BASE=python:3.13-slim
FROM ${BASE} AS build
# Hatchling reads it: two wheels of one commit are the same.
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}
WORKDIR /src
COPY requirements-runtime.lock ./
RUN python -m venv /opt/sluice \
 && /opt/sluice/bin/pip install --no-cache-dir --no-compile --require-hashes --only-binary :all: \
      --requirement requirements-runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
# Bytecode is written here, because the root file system is read-only later, and by the sources'
# hashes, because by their times two builds would differ.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && /opt/sluice/bin/pip install --no-cache-dir --no-compile --no-deps /wheels/*.whl \
 && /opt/sluice/bin/pip uninstall --yes pip \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/sluice/lib

FROM ${BASE}
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Sluice" \
      org.opencontainers.image.description="Turns error budgets into deployment decisions" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/sluice/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
COPY --from=build /opt/sluice /opt/sluice
# By number, so that the kubelet can tell that it is not root.
USER 65532:65532
EXPOSE 8080 8443
ENTRYPOINT ["sluice"]
