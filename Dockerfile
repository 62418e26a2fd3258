# The last stage serves: ONNX Runtime and FastAPI, no compiler, no mlflow, no scikit-learn, no pandas.
#   docker build --tag modelport .
# The stage `tracking` is the MLflow server of compose.yaml.
#   docker build --target tracking --tag modelport-tracking .

ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /build
COPY requirements/build.txt requirements/api.txt requirements/
RUN python -m venv /opt/modelport
RUN /opt/modelport/bin/pip install --quiet --no-deps --require-hashes -r requirements/api.txt
RUN python -m venv /opt/hatch
RUN /opt/hatch/bin/pip install --quiet --no-deps --require-hashes -r requirements/build.txt
COPY pyproject.toml LICENSE ./
COPY src src
RUN /opt/hatch/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
RUN /opt/modelport/bin/pip install --quiet --no-deps --no-index dist/*.whl
RUN /opt/modelport/bin/python -m compileall -q /opt/modelport/lib

FROM ${BASE_IMAGE} AS tracking
COPY requirements/train.txt requirements/
RUN python -m venv /opt/tracking \
 && /opt/tracking/bin/pip install --quiet --no-cache-dir --no-deps --require-hashes -r requirements/train.txt
RUN useradd --system --uid 10001 --create-home tracking \
 && install --directory --owner tracking /var/lib/mlflow
ENV PATH=/opt/tracking/bin:$PATH
USER 10001
EXPOSE 5000
CMD ["mlflow", "server", "--host", "0.0.0.0", "--port", "5000"]

FROM ${BASE_IMAGE} AS serve
RUN useradd --system --uid 10001 --create-home modelport \
 && install --directory --owner modelport /var/lib/modelport
COPY --from=build /opt/modelport /opt/modelport
ENV PATH=/opt/modelport/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MODELPORT_VARIANT=api-baseline \
    MODELPORT_HOME=/var/lib/modelport
WORKDIR /home/modelport
COPY data/housing.toml data/housing.toml
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
CMD ["modelport", "serve", "--host", "0.0.0.0", "--port", "8000"]
