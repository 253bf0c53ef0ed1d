"""What a node tells of itself over HTTP: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever runs it.

    counters.py, loop_watch.py, elections.py   count where the work is done: plain numbers, nothing else
    listener.py, http.py                       the HTTP listener: limits, paths; imports next to nothing
    table.py                                   THE table of metrics; docs/metrics.md is made from it
    page.py, node_samples.py, ...              read the counters when the page is asked for, and write it in slices

A node that nobody scrapes pays for the counting and nothing more: the second half, and prometheus_client, are imported
with the first scrape.
"""
