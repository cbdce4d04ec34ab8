"""One library in a process of its own: prepares settings, then times them when told to.

Reads one JSON command a line and answers with one JSON line. The compiled settings stay, so that rounds of
different libraries can be interleaved without compiling again; a process that waits for its turn takes no time.
"""

import importlib
import json
import os
import sys
import time


def main():
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer
    library = importlib.import_module(sys.argv[1])
    kept = {}

    def prepare(key, form, batch, hidden, activation, precision, rate, seconds):
        began = time.perf_counter()
        make, _ = library.FORMS[form]
        run = make(batch, hidden, activation, precision, rate)
        losses = run(2)  # compiles
        wanted = "float32" if precision == "f32" else "float64"
        if losses.dtype != wanted:
            raise TypeError(f"{form}: losses are {losses.dtype}, wanted {wanted}")
        compiled = time.perf_counter() - began
        steps = 2
        while True:
            spent = spend(run, steps)["cpu"]
            if spent > 0.2 * seconds or steps > 1 << 22:
                break
            steps *= 2 if spent > 0.02 * seconds else 8
        kept[key] = run, max(1, round(steps * seconds / spent))
        return {"compiled": compiled}

    def spend(run, steps):
        wall, cpu = time.perf_counter(), time.process_time()
        made, batch = run(steps).shape  # forms may round the number of steps up
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        return {"cpu": cpu, "wall": wall, "rate": made * batch / cpu}

    def forget(key):
        kept.pop(key, None)
        return {}

    def losses(form, batch, hidden, activation, precision, rate, at):
        make, _ = library.FORMS[form]
        found = make(batch, hidden, activation, precision, rate)(max(at) + 1)
        return {"losses": found[at].T.tolist()}

    def describe():
        return {
            "versions": library.VERSIONS,
            "forms": [[name, batches] for name, (_, batches) in library.FORMS.items()],
        }

    commands = {
        "prepare": prepare,
        "time": lambda key: spend(*kept[key]),
        "forget": forget,
        "losses": losses,
        "describe": describe,
    }
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = commands[order.pop("do")](**order)
        except Exception as error:
            text = str(error).strip()
            answer = {"error": f"{type(error).__name__}: {text[:2000]}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
