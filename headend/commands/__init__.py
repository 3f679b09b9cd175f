"""The verbs of `sakshi-headend`: each module adds the commands of one job."""
