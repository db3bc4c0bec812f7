"""Plan: what a run would do, call and spend, before it does.

The stages that make no call are run for real, on an overlay of the store that is forgotten
afterwards; the calls that are pending then are counted by the stages' own anti-joins, and what
only the calls will show is estimated from what earlier calls of this store have shown.

    stages.make_plan(recipe) → Plan(stages=(StagePlan("student", …, calls=4,528 ± 210), …), …)
"""
