"""A call between two people on this machine, to see that everything works.

A relay in this process, two profiles in processes of their own with windows of their own, connected by a link; one
calls, the other accepts. Each side is driven through the public API alone (docs/api.md), and the account of the call
is made from the events that it gives (:mod:`simplex_calls.demo.report`).
"""
