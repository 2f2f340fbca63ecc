#!/bin/sh
# Fills the scrape settings from the environment and starts Prometheus; `start --check` only looks whether they are valid.
set -eu
: "${TT_METRICS_TOKEN:?prometheus: TT_METRICS_TOKEN is not set. The hub shows its figures to nobody else.}"
umask 077
printf '%s' "$TT_METRICS_TOKEN" >/tmp/metrics-token
sed "s|@BASE_PATH@|${TT_BASE_PATH:-/}|g" /etc/prometheus/prometheus.yml >/tmp/prometheus.yml
[ "${1:-}" != --check ] || exec sh -c 'promtool check config /tmp/prometheus.yml; code=$?; rm /tmp/metrics-token /tmp/prometheus.yml; exit $code'
exec prometheus --config.file=/tmp/prometheus.yml --storage.tsdb.path=/prometheus \
    --storage.tsdb.retention.time="${TT_MONITORING_RETENTION:-30d}" \
    --web.console.libraries=/usr/share/prometheus/console_libraries --web.console.templates=/usr/share/prometheus/consoles
