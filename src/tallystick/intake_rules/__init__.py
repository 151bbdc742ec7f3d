"""Intake rules: which events an organization drops as they arrive, or keeps for a shorter time.

Promises: a rule applies to an event only if its query matches, as everywhere, and the event is not protected
(`protection`); the first rule in the list that applies decides. Events that Tallystick itself records are never
affected. A list that keeps any event for a shorter time takes effect a day after people decided on it, any other at
once. Every process applies a change within a second. Dropped events are counted in the transaction that answers them.
Tables: intake_rule_lists.
"""
