"""What an operator states and is told: holds, outages, doubts, alerts, work orders. Pure."""
