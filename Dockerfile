# The image holds one static file: `make image` builds it, and sends only its folder here.
FROM scratch
COPY orderpay /orderpay
ENV ORDERPAY_LISTEN=0.0.0.0:8888,[::]:8888
EXPOSE 8888
# Neither root nor anybody in particular.
USER 65534:65534
HEALTHCHECK --interval=10s --timeout=5s --start-period=1s CMD ["/orderpay", "healthcheck"]
ENTRYPOINT ["/orderpay"]
