# The images of the Pagila API. compose.yaml builds and connects them.
#
#   docker build --build-arg COMMIT="$(git rev-parse HEAD)" -t pagila-api .   the server
#   docker build --target migrate -t pagila-api-migrate .                     the pinned Atlas command and the migrations
#   docker build --target pgbouncer -t pagila-api-pgbouncer .                 PgBouncer in transaction mode

# The compiler runs on the building machine's architecture, and compiles for the image's. The Makefile has the version
# of Go, too, and a test compares the two.
FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm@sha256:a688600ca24f8a4d3ca77f95b0dd40704a9fc787c826660eb7ba0b641b8b175d AS compiler
WORKDIR /src
ARG TARGETOS TARGETARCH
ENV CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH GOTOOLCHAIN=local

FROM compiler AS compiled-server
COPY . .
# The context has no .git, so the commit comes from outside.
ARG COMMIT=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    make build BIN=/out/pagila-api COMMIT="$COMMIT"

FROM compiler AS compiled-atlas
COPY Makefile ./
COPY schema/atlas schema/atlas
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    make atlas

FROM debian:bookworm-20261005-slim@sha256:7c7b2c966bc9ee8cedfeef67e0e279108992c77681fa595db4a9d65c06ccc587 AS pgbouncer
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends pgbouncer \
    && rm -rf /var/lib/apt/lists/*
COPY server/deploy/pgbouncer.ini /etc/pgbouncer/
USER 65532:65532
EXPOSE 5432
ENTRYPOINT ["pgbouncer", "/etc/pgbouncer/pgbouncer.ini"]

# The other images contain only a program and the certificate authorities, which it needs to reach PostgreSQL and
# language models over TLS. They have no shell, and write nothing outside of /tmp.
FROM scratch AS migrate
COPY --from=compiler /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=compiled-atlas /src/bin/atlas /atlas
COPY atlas.hcl /
COPY schema/migrations/*.sql schema/migrations/atlas.sum /schema/migrations/
USER 65532:65532
ENV ATLAS_NO_UPDATE_NOTIFIER=1
ENTRYPOINT ["/atlas"]
CMD ["migrate", "apply", "--env", "production"]

FROM scratch AS server
COPY --from=compiler /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=compiled-server /out/pagila-api /pagila-api
USER 65532:65532
ENV APP_ENV=production
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=2 CMD ["/pagila-api", "health"]
ENTRYPOINT ["/pagila-api"]
