"""The verbs of a run, by what they are for; `project.run` has them all."""
