# The image of the node agent and the installer, for those who build with an engine; `npm run image` makes the same
# files into an image without one. Nothing of the build stage is in it but what image.mjs puts there: the executable
# with Node.js inside, the libraries of Debian 12 that it is linked with, and no shell.
#
#   docker build -t registry.example/weir:0.1.0 .
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY . .
RUN node scripts/image.mjs --rootfs /image

FROM scratch
COPY --from=build /image /
ENV PATH=/usr/bin
USER 0:0
WORKDIR /
ENTRYPOINT ["/usr/bin/weir"]
CMD ["--help"]
