"""Rules judge every event as it is recorded; what they find becomes an alert and goes to destinations.

Each event is judged exactly once by each rule that was on when it was recorded, in index order, late and
backdated events too: what a rule remembers, its alerts, their deliveries and the position move in one
transaction. Windows and cool-downs are by the time of the event. Cost grows with new events alone.
A back-test and a rule's own tests run the same judges. An event that an alert causes is never judged.

Tables: alert_rules, alert_positions, alert_hits, alert_memory, alerts. Work: `evaluator`, under a lease.
"""
