# The operator's image: `docker build -t serinus .`; the chart's `image` values point at where you push it.
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements/runtime.txt requirements/
RUN pip install --no-cache-dir --require-hashes --target /opt/serinus -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
COPY crds crds
RUN pip install --no-cache-dir --no-deps --target /opt/serinus .

FROM python:3.12-slim
COPY --from=build /opt/serinus /opt/serinus
ENV PYTHONPATH=/opt/serinus PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["python", "-m", "serinus"]
CMD ["run"]
