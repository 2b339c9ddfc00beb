"""Ten steps of every optimizer, gradient clipping, weight averages, and learning-rate schedules."""

import numpy as np
import torch

from golden_support import normal, rounded

COUNT, STEPS = 23, 10


def shared(cases):
    """The start and the ten gradients of all optimizers; some elements get no, tiny, large or rare gradients."""
    initial = normal("optimizers", "initial", (COUNT,))
    gradients = normal("optimizers", "gradients", (STEPS, COUNT))
    gradients[:, 0] = 0
    gradients[:, 1] *= 1e-4
    gradients[:, 2] *= 30
    gradients[1:9, 3] = 0
    initial[4] = 0
    gradients = rounded(gradients)
    cases.keep("shared/initial", initial)
    cases.keep("shared/gradients", gradients)
    return initial, gradients


def torch_steps(build, initial, gradients, rates=None):
    parameter = torch.nn.Parameter(torch.from_numpy(initial.copy()))
    optimizer = build([parameter])
    after = []
    for step, gradient in enumerate(gradients):
        if rates is not None:
            optimizer.param_groups[0]["lr"] = rates[step]
        parameter.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        after.append(parameter.detach().numpy().copy())
    return np.stack(after)


def ftrl_steps(initial, gradients, rate, power, start, l1, l2, beta):
    """Follow the regularised leader (McMahan et al. 2013) in Keras' form."""
    weights, accumulator = initial.copy(), np.full_like(initial, start)
    linear = np.zeros_like(initial)
    after = []
    for gradient in gradients:
        grown = accumulator + gradient ** 2
        linear += gradient - (grown ** -power - accumulator ** -power) / rate * weights
        quadratic = grown ** -power / rate + 2 * (l2 + beta / (2 * rate))
        weights = (np.clip(linear, -l1, l1) - linear) / quadratic
        accumulator = grown
        after.append(weights.copy())
    return np.stack(after)


def add_optimizers(cases):
    initial, gradients = shared(cases)

    def case(name, operation, attributes, values):
        output = cases.keep(name + "/output", values)
        cases.append(
            name, operation, attributes, inputs=["shared/initial", "shared/gradients"], output=output)

    def of_torch(name, operation, build, attributes, torch_names, rates=None):
        options = {torch_names.get(k, k): v for k, v in attributes.items()}
        values = torch_steps(lambda p: build(p, **options), initial, gradients, rates)
        listed = dict(attributes) if rates is None else attributes | {"learning_rates": rates}
        for key in ("betas",):
            if key in listed:
                listed["beta1"], listed["beta2"] = listed.pop(key)
        case(name, operation, listed, values)

    names = {"learning_rate": "lr", "epsilon": "eps", "rho": "alpha"}
    rates = [0.02, 0.02, 0.01, 0.01, 0.05, 0.05, 0.05, 0.001, 0.001, 0.02]
    full = {"momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False}
    for label, change in [
        ("plain", {}), ("momentum", {"momentum": 0.9}), ("nesterov", {"momentum": 0.9, "nesterov": True}),
        ("weight-decay", {"weight_decay": 0.1}), ("dampening", {"momentum": 0.9, "dampening": 0.5}),
        ("momentum-weight-decay", {"momentum": 0.9, "weight_decay": 0.1}),
        ("nesterov-weight-decay", {"momentum": 0.8, "weight_decay": 0.05, "nesterov": True}),
    ]:
        of_torch("sgd-" + label, "sgd", torch.optim.SGD, {"learning_rate": 0.02} | full | change, names)
    of_torch("sgd-momentum-changing-rate", "sgd", torch.optim.SGD,
             {"learning_rate": 0.02} | full | {"momentum": 0.9}, names, rates)
    full = {"learning_rate": 0.05, "lr_decay": 0.0, "weight_decay": 0.0,
            "initial_accumulator_value": 0.0, "epsilon": 1e-10}
    for label, change in [("plain", {}), ("accumulator", {"initial_accumulator_value": 0.1, "epsilon": 1e-7}),
                          ("weight-decay", {"weight_decay": 0.1}), ("rate-decay", {"lr_decay": 0.1})]:
        of_torch("adagrad-" + label, "adagrad", torch.optim.Adagrad, full | change, names)
    full = {"learning_rate": 1.0, "rho": 0.9, "epsilon": 1e-6, "weight_decay": 0.0}
    for label, change in [("plain", {}), ("keras-rate", {"learning_rate": 0.001, "rho": 0.95, "epsilon": 1e-7}),
                          ("weight-decay", {"weight_decay": 0.1})]:
        of_torch("adadelta-" + label, "adadelta", torch.optim.Adadelta, full | change,
                 {"learning_rate": "lr", "epsilon": "eps"})
    full = {"learning_rate": 0.01, "rho": 0.99, "epsilon": 1e-8, "weight_decay": 0.0, "momentum": 0.0,
            "centered": False}
    for label, change in [("plain", {}), ("momentum", {"momentum": 0.9}), ("centered", {"centered": True}),
                          ("centered-momentum", {"centered": True, "momentum": 0.9, "rho": 0.9}),
                          ("weight-decay", {"weight_decay": 0.1})]:
        of_torch("rmsprop-" + label, "rmsprop", torch.optim.RMSprop, full | change, names)
    full = {"learning_rate": 0.01, "betas": (0.9, 0.999), "epsilon": 1e-8, "weight_decay": 0.0}
    for label, change in [("plain", {}), ("weight-decay", {"weight_decay": 0.1}),
                          ("gan", {"betas": (0.5, 0.99), "learning_rate": 2e-4, "epsilon": 1e-7})]:
        of_torch("adam-" + label, "adam", torch.optim.Adam, full | change, names)
    of_torch("adam-changing-rate", "adam", torch.optim.Adam, full, names, rates)
    for label, change in [("plain", {"weight_decay": 0.01}), ("strong", {"weight_decay": 0.5})]:
        of_torch("adamw-" + label, "adamw", torch.optim.AdamW, full | change, names)
    of_torch("adamw-changing-rate", "adamw", torch.optim.AdamW, full | {"weight_decay": 0.1}, names, rates)
    full |= {"momentum_decay": 4e-3}
    for label, change in [("plain", {}), ("weight-decay", {"weight_decay": 0.1})]:
        of_torch("nadam-" + label, "nadam", torch.optim.NAdam, full | change, names)
    for label, rate, l1, l2 in [("plain", 0.05, 0.0, 0.0), ("l1", 0.05, 0.3, 0.0), ("l2", 0.05, 0.0, 0.2),
                                ("l1-l2", 0.1, 0.2, 0.1)]:
        attributes = {"learning_rate": rate, "learning_rate_power": -0.5, "initial_accumulator_value": 0.1,
                      "l1": l1, "l2": l2, "beta": 0.0}
        case("ftrl-" + label, "ftrl", attributes, ftrl_steps(initial, gradients, rate, -0.5, 0.1, l1, l2, 0.0))

    for label, limit in [("clipped", 1.0), ("untouched", 100.0), ("tight", 1e-3)]:
        add_clipping(cases, "clip-global-norm-" + label, limit)
    for label, decay in [("0.9", 0.9), ("0.999", 0.999)]:
        name = "moving-average-" + label
        average, after = initial.copy(), []
        for values in gradients:
            average = decay * average + (1 - decay) * values
            after.append(average)
        case(name, "moving_average", {"decay": decay}, np.stack(after))


def add_clipping(cases, name, limit):
    """torch's form: every gradient times min(1, limit / (norm + 1e-6)), the norm over all of them."""
    arrays = [normal(name, f"gradient{i}", shape) for i, shape in enumerate([(23,), (3, 3, 2, 5), (1,)])]
    parameters = [torch.nn.Parameter(torch.zeros(a.shape, dtype=torch.float64)) for a in arrays]
    for parameter, array in zip(parameters, arrays):
        parameter.grad = torch.from_numpy(array.copy())
    norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
    inputs = [cases.keep(f"{name}/gradient{i}", a) for i, a in enumerate(arrays)]
    extras = {f"clipped{i}": cases.keep(f"{name}/clipped{i}", p.grad.numpy()) for i, p in enumerate(parameters)}
    output = cases.keep(name + "/output", np.array(norm.item()))
    cases.append(name, "clip_global_norm", {"limit": limit, "epsilon": 1e-6}, inputs=inputs, output=output,
                 extras=extras)


def schedule_values(build, rate, losses=None):
    """The learning rate of steps 0...50 (before each step), or after each of the given losses."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = build(optimizer)
    values = []
    for step in range(51 if losses is None else len(losses)):
        if losses is None:
            values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step(*([] if losses is None else [losses[step]]))
        if losses is not None:
            values.append(optimizer.param_groups[0]["lr"])
    return values


def add_schedules(cases):
    lib = torch.optim.lr_scheduler

    def case(name, operation, attributes, build, losses=None):
        values = schedule_values(build, attributes["learning_rate"], losses)
        cases.append(name, operation, attributes, values=values, **({"losses": losses} if losses else {}))

    case("step-10", "step", {"learning_rate": 0.1, "every": 10, "factor": 0.5},
         lambda o: lib.StepLR(o, 10, 0.5))
    case("step-7", "step", {"learning_rate": 0.003, "every": 7, "factor": 0.1},
         lambda o: lib.StepLR(o, 7, 0.1))
    case("exponential-0.95", "exponential", {"learning_rate": 0.1, "factor": 0.95},
         lambda o: lib.ExponentialLR(o, 0.95))
    case("cosine-50", "cosine", {"learning_rate": 0.1, "steps": 50, "minimum": 0.0},
         lambda o: lib.CosineAnnealingLR(o, 50))
    case("cosine-50-minimum", "cosine", {"learning_rate": 0.01, "steps": 50, "minimum": 1e-4},
         lambda o: lib.CosineAnnealingLR(o, 50, 1e-4))
    for warm, start in [(5, 0.1), (10, 0.01)]:
        case(f"warm-up-{warm}-cosine", "warm_up_cosine",
             {"learning_rate": 0.1, "warm_up": warm, "start_factor": start, "steps": 50, "minimum": 0.0},
             lambda o: lib.SequentialLR(
                 o, [lib.LinearLR(o, start, 1.0, warm), lib.CosineAnnealingLR(o, 50 - warm)], [warm]))
    ramp = lambda t: (t + 1) / 5 if t < 5 else 0.5 * (1 + np.cos(np.pi * (t - 5) / 45))
    case("warm-up-5-counted-cosine", "warm_up_counted_cosine",
         {"learning_rate": 0.1, "warm_up": 5, "steps": 50, "minimum": 0.0},
         lambda o: lib.LambdaLR(o, lambda t: float(ramp(t))))
    fall = 1 / (1 + 0.2 * np.arange(51)) + 0.02 * np.sin(7.0 * np.arange(51))
    fall[18:36] = fall[17] + 0.01
    losses = [float(np.float32(value)) for value in fall]
    for label, patience, cooldown, threshold, minimum in [
        ("patience3", 3, 0, 1e-4, 0.0), ("patience2-cooldown2", 2, 2, 1e-4, 0.0),
        ("patience0-minimum", 0, 0, 1e-2, 5e-3), ("patience10", 10, 0, 1e-4, 0.0),
    ]:
        case("plateau-" + label, "plateau",
             {"learning_rate": 0.1, "factor": 0.5, "patience": patience, "cooldown": cooldown,
              "threshold": threshold, "minimum": minimum},
             lambda o: lib.ReduceLROnPlateau(
                 o, "min", 0.5, patience, threshold, "rel", cooldown, minimum), losses)
