# The image: /usr/local/bin/subsetd and subsetctl, the shared libraries they load, licences; no shell,
# no package manager, not root. Works with a read-only root; writes to /data only.
#
#   docker build -t subset --build-arg REVISION=$(git rev-parse HEAD) .
#   docker run --read-only --cap-drop=ALL -v subset:/data -p 50051:50051 -p 9090:9090 subset

# Dependencies: a layer of its own, rebuilt only when the list of packages changes.
FROM docker.io/library/debian:bookworm-slim AS dependencies
COPY cmake/packages.txt /tmp/packages.txt
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      $(awk '/^#/ {on = ($0 == "# build"); next} on && NF {print $1}' /tmp/packages.txt) \
 && rm -rf /var/lib/apt/lists/*

# The two programs. What was compiled before is taken from the compiler's cache, where there is one.
FROM dependencies AS build
WORKDIR /src
COPY . .
ARG REVISION=unknown
RUN --mount=type=cache,target=/ccache \
    export CCACHE_DIR=/ccache \
 && cmake -S . -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release \
      -DSUBSET_BUILD_TESTS=OFF -DSUBSET_BUILD_BENCH=OFF -DSUBSET_REVISION="${REVISION}" \
 && cmake --build /build --target subsetd subsetctl \
 && strip /build/bin/subsetd /build/bin/subsetctl

# The root of the final image: the programs and exactly what the loader says they need, with the
# licence of every Debian package a file comes from (and of the header-only ones compiled in), and the
# package records that image scanners read.
RUN set -eu; root=/rootfs; \
    mkdir -p $root/usr/lib $root/usr/lib64 $root/usr/local/bin $root/etc \
             $root/usr/share/doc/subset $root/var/lib/dpkg/status.d; \
    ln -s usr/lib $root/lib; ln -s usr/lib64 $root/lib64; \
    install -m 0755 /build/bin/subsetd /build/bin/subsetctl $root/usr/local/bin; \
    install -m 0644 LICENSE $root/usr/share/doc/subset; \
    ldd /build/bin/subsetd /build/bin/subsetctl > /tmp/ldd; \
    ! grep "not found" /tmp/ldd; \
    awk '$2 == "=>" {print $3} $1 ~ /^\// && NF == 2 && $1 !~ /:$/ {print $1}' /tmp/ldd | sort -u > /tmp/libraries; \
    while read -r library; do cp --parents -L "$library" $root; done < /tmp/libraries; \
    { while read -r library; do \
        file=$(realpath "$library"); dpkg -S "$file" 2>/dev/null || dpkg -S "${file#/usr}"; \
      done < /tmp/libraries | cut -d: -f1; echo libcli11-dev; echo libxxhash-dev; \
      echo nlohmann-json3-dev; } \
      | sort -u > /tmp/packages; \
    while read -r package; do \
      install -D -m 0644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"; \
      dpkg-query -s "$package" > "$root/var/lib/dpkg/status.d/$package"; \
    done < /tmp/packages; \
    cp -rL --parents /usr/share/common-licenses $root; \
    cp --parents /etc/os-release $root; \
    echo 'subset:x:65532:65532::/data:/nonexistent' > $root/etc/passwd; \
    echo 'subset:x:65532:' > $root/etc/group; \
    echo 'hosts: files dns' > $root/etc/nsswitch.conf; \
    install -d -m 1777 $root/tmp; \
    install -d -m 0750 -o 65532 -g 65532 /volume/data

FROM scratch
COPY --from=build /rootfs/ /
COPY --from=build --chown=65532:65532 /volume/ /
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Subset" \
      org.opencontainers.image.description="A subset-sampling service for deep-learning training" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/usr/local/bin \
    SUBSET_DATA_DIR=/data \
    SUBSET_LISTEN=0.0.0.0:50051 \
    SUBSET_METRICS_LISTEN=0.0.0.0:9090
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 50051 9090
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/subsetd"]
