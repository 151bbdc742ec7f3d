"""Alert rules: evaluate every event as it is recorded, raise alerts, and send them to destinations.

Promises: each rule evaluates each event exactly once, in index order, late and backdated events included. The hits
and baselines that a rule stores, its alerts, their deliveries and the evaluator's position change in one
transaction. Windows and cool-downs use the time of the event. Cost grows with the number of new events only.
Live evaluation, back-tests and the tests of a rule run the same detectors. Events that alerts cause are never
evaluated, so that no alert can trigger itself.

Tables: alert_rules, alert_positions, alert_hits, alert_memory, alerts.
Work: `alerts` (evaluator) and `alerts_learning` (baselines), each under a lease.
"""
