"""Search for hyper-parameters by the tree-structured Parzen estimator of Optuna."""

from collections.abc import Callable, Mapping

import optuna

from domain.errors import Misconfigured
from domain.training.search_space import Dimension, Space, Trial
from domain.training.specification import Parameter

# Random trials before the estimator is used.
_RANDOM_TRIALS = 6


class OptunaSearcher:
    """A `Searcher` that runs one trial at a time, so that the seed determines all trials."""

    def search(
        self,
        space: Space,
        objective: Callable[[Mapping[str, Parameter]], float],
        budget: int,
        seed: int,
        start: Mapping[str, Parameter],
    ) -> list[Trial]:
        """Return `budget` trials, of which the first is `start`.

        Raises:
            Misconfigured: the budget is less than one trial.
        """
        if budget < 1:
            raise Misconfigured(f"budget: {budget} trials; allowed: 1 or more")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM_TRIALS)
        study = optuna.create_study(direction="minimize", sampler=sampler)
        known = {name: _distribution(dimension) for name, dimension in space.items()}
        trials = [Trial(start, objective(start))]
        if all(name in start and space[name].holds(_number(start[name])) for name in space):
            study.add_trial(
                optuna.trial.create_trial(
                    params={name: start[name] for name in space},
                    distributions=known,
                    value=trials[0].rmse,
                )
            )
        while len(trials) < budget:
            trial = study.ask(known)
            parameters = {**start, **trial.params}
            trials.append(Trial(parameters, objective(parameters)))
            study.tell(trial, trials[-1].rmse)
        return trials


def _distribution(dimension: Dimension) -> optuna.distributions.BaseDistribution:
    low, high = dimension.low, dimension.high
    if dimension.whole:
        return optuna.distributions.IntDistribution(int(low), int(high), log=dimension.log)
    return optuna.distributions.FloatDistribution(low, high, log=dimension.log)


def _number(value: Parameter) -> float:
    return value if isinstance(value, int | float) else float("nan")
