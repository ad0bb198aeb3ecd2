# Build: the toolchain, and nothing of it in the image that runs.
FROM docker.io/library/rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock config.example.toml ./
COPY src src
COPY migrations migrations
COPY benches benches
RUN cargo build --release --locked --bin podcal

# Run: the program, certificate authorities, and a user of its own.
# Time zone data is in the program, so the image needs none.
FROM docker.io/library/debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 65532 podcal \
    && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /var/lib/podcal podcal \
    && install -d -o podcal -g podcal -m 0750 /var/lib/podcal
COPY --from=build /src/target/release/podcal /usr/local/bin/podcal
USER 65532:65532
WORKDIR /var/lib/podcal
# The configuration is mounted; the ledger is the only thing that is written.
ENV PODCAL_CONFIG=/etc/podcal/podcal.toml \
    PODCAL_LOG_FORMAT=json
VOLUME ["/var/lib/podcal"]
HEALTHCHECK --interval=1m --timeout=10s --start-period=2m --retries=2 \
    CMD ["podcal", "--log-level", "error", "status", "--healthy"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["podcal"]
CMD ["run"]
LABEL org.opencontainers.image.title="podcal" \
      org.opencontainers.image.description="Keeps meeting room displays (Mersive Solstice pods) in step with the rooms' calendars"
