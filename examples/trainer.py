#!/usr/bin/env python3
"""A trainer for hpo without dependencies: the whole worker protocol that a trainer needs.

It "trains" one number by gradient descent, so that a study with it takes a second: an epoch, a step or an example is one
gradient step. See search_spaces/python-trainer.toml.
"""
import json, os, sys


def say(**message):
    print(json.dumps(message), flush=True)


for line in sys.stdin:
    order = json.loads(line)
    if order["type"] == "start":
        target = order["settings"].get("target", 3.0)
        say(type="ready", protocol=1, trainer="example")
    elif order["type"] == "run":
        segment = {"trial": order["trial"], "attempt": order["attempt"]}
        weight = 0.0
        if order["checkpoint"]:
            with open(order["checkpoint"]) as file:
                weight = json.load(file)["weight"]
        for done in range(order["from"] + 1, order["to"] + 1):
            gradient = 2 * (weight - target) + order["parameters"]["weight_decay"] * weight
            weight -= order["parameters"]["learning_rate"] * gradient
            if done % order["report_every"] and done < order["to"]:
                continue  # no report is due
            checkpoint = os.path.join(order["checkpoints"], f"a{order['attempt']}-r{done}.json")
            with open(checkpoint, "w") as file:
                json.dump({"weight": weight}, file)
            loss = (weight - target) * (weight - target)
            if not loss < 1e6:  # null tells hpo that the trial has diverged
                say(type="report", resource=done, loss=None, checkpoint=None, **segment)
                break
            say(type="report", resource=done, loss=loss, metrics={"weight": weight}, checkpoint=checkpoint, **segment)
        else:
            say(type="done", **segment)
