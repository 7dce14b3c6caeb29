# The image of `sluice`. No test of this repository builds it (they need no container engine): the
# locked requirements, the wheel and its entry point are tested one by one.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements-runtime.lock ./
RUN python -m venv /opt/sluice \
 && /opt/sluice/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
      --requirement requirements-runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && /opt/sluice/bin/pip install --no-cache-dir --no-deps /wheels/*.whl \
 && /opt/sluice/bin/pip uninstall --yes pip

FROM python:3.13-slim
# The root file system is read-only in the chart.
ENV PATH=/opt/sluice/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
COPY --from=build /opt/sluice /opt/sluice
# By number, so that the kubelet can tell that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["sluice"]
