"""The stand-alone verifier: does what a log says about itself hold, by keys that the reader brought along?

Promises: it shares no code with the server and imports nothing of it, only Python and `cryptography`, so that
`make verifier` packs it into one file; it works offline; it believes no key that comes with the evidence;
memory stays flat, however large a bundle is. What is missing is explained by a proven record, or fails.
`bundle`, `proofs` and `live` check the three kinds of evidence; `tree`, `notes` and `entries` are the formats;
`examined` is what the events of a large bundle are worked out by, on all cores.
"""
