# Debian is named by a dated tag and Rust by its full version (it has no dated tags), so that a build of
# an old commit has what it had then.
# To move them: take the newest `rust:VERSION-slim-trixie` and `debian:trixie-DATE-slim` (both have
# amd64 and arm64), change the two lines, and run `tests/container/run` and `.ci/full`. Both stages
# stay on the same Debian release: the program is linked to the C library of the first and runs
# with that of the second.
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-trixie
ARG DEBIAN_IMAGE=docker.io/library/debian:trixie-20260918-slim

# Build: the toolchain, and nothing of it in the image that runs.
FROM ${RUST_IMAGE} AS build
WORKDIR /src
# Writes the list of crates into the program, for `cargo audit bin` and scanners of images.
RUN cargo install --locked --version 0.7.7 --root /opt/cargo cargo-auditable
# Small: the whole program is optimised as one, without symbols.
ENV PATH=/opt/cargo/bin:${PATH} \
    CARGO_PROFILE_RELEASE_STRIP=symbols \
    CARGO_PROFILE_RELEASE_LTO=fat \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1
# The crates that podcal needs are compiled in a layer of their own, around an empty program;
# it is made again only when Cargo.toml or Cargo.lock change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src benches \
    && echo 'fn main() {}' | tee src/main.rs benches/pipeline.rs benches/hostile.rs > src/lib.rs \
    && cargo auditable build --release --locked --bin podcal \
    && rm -r src
COPY config.example.toml ./
COPY migrations migrations
COPY src src
# Files keep the times that they had outside, which may be before those of the empty program.
RUN find src -name '*.rs' -exec touch {} + \
    && cargo auditable build --release --locked --bin podcal \
    && install -D -s -m 0755 target/release/podcal /out/podcal

# What the program needs of Debian, in a folder of its own: the C library, the certificate
# authorities, a user, and what says where these files are from (for scanners, and their licences).
# Time zone data is in the program.
FROM ${DEBIAN_IMAGE} AS root
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates
COPY LICENSE-MIT LICENSE-APACHE /root-of-image/usr/share/doc/podcal/
RUN set -eu; root=/root-of-image; \
    for name in ld-linux*.so.* libc.so.6 libm.so.6 libgcc_s.so.1; do \
        for file in /lib/*-linux-gnu/$name; do \
            install -D -m 0755 "$(readlink -f "$file")" "$root/usr$file"; \
        done; \
    done; \
    for link in /lib /lib64; do \
        if [ -L "$link" ]; then cp -P "$link" "$root$link"; fi; \
    done; \
    case "$(dpkg --print-architecture)" in \
        amd64) mkdir -p "$root/usr/lib64"; ln -s ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$root/usr/lib64/" ;; \
        arm64) ln -s aarch64-linux-gnu/ld-linux-aarch64.so.1 "$root/usr/lib/" ;; \
        *) echo "podcal's image is made for amd64 and arm64" >&2; exit 1 ;; \
    esac; \
    install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"; \
    for package in libc6 libgcc-s1 ca-certificates; do \
        install -D -m 0644 "$(readlink -f /usr/share/doc/$package/copyright)" "$root/usr/share/doc/$package/copyright"; \
        mkdir -p "$root/var/lib/dpkg/status.d"; \
        dpkg-query --status "$package" > "$root/var/lib/dpkg/status.d/$package"; \
    done; \
    install -D -m 0644 /usr/lib/os-release "$root/etc/os-release"; \
    echo 'podcal:x:65532:65532:podcal:/var/lib/podcal:/nonexistent' > "$root/etc/passwd"; \
    echo 'podcal:x:65532:' > "$root/etc/group"; \
    echo 'hosts: files dns' > "$root/etc/nsswitch.conf"; \
    mkdir -p "$root/etc/podcal" "$root/run/secrets" "$root/usr/local/bin"; \
    install -d -o 65532 -g 65532 -m 0750 "$root/var/lib/podcal"

# Run: from nothing; neither a shell nor a package manager.
FROM scratch
COPY --from=root /root-of-image/ /
COPY --from=build --chmod=0755 /out/podcal /usr/local/bin/podcal
USER 65532:65532
# The ledger's folder. There is no VOLUME: it would give whoever forgets to mount one a nameless
# volume, and with it an empty ledger at every start.
WORKDIR /var/lib/podcal
ENV PATH=/usr/local/bin \
    PODCAL_CONFIG=/etc/podcal/podcal.toml \
    PODCAL_LOG_FORMAT=json
# Asks the running service. `podman build` and `buildah` keep this only with `--format docker`.
HEALTHCHECK --interval=1m --timeout=10s --start-period=2m --retries=2 \
    CMD ["podcal", "--log-level", "error", "status", "--healthy", "--ledger-folder", "/var/lib/podcal"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["podcal"]
CMD ["run"]
# Last, so that a new revision changes no layer.
ARG VERSION=0.2.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="podcal" \
      org.opencontainers.image.description="Keeps meeting room displays (Mersive Solstice pods) in step with the rooms' calendars" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
