"""The stand-alone verifier: checks evidence of a log with keys that the reader obtained independently.

Promises: it shares no code with the server and imports nothing of it, only Python and `cryptography`, so that
`make verifier` packs it into one file; it works offline; it trusts no key that comes with the evidence; memory
stays bounded, however large a bundle is. Everything missing is explained by a proven record, or the check fails.
`bundle`, `proofs` and `live` check the three kinds of evidence; `tree`, `notes` and `entries` read the formats;
`event_checks` checks the events of a large bundle on all cores. No tables, no work.
"""
