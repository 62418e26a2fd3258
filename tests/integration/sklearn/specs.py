"""A specification of every estimator that is fitted in a moment, and one that never is."""

from collections.abc import Mapping

from domain.training.specification import Estimator, Parameter, TrainingSpec

_QUICK: Mapping[Estimator, dict[str, Parameter]] = {
    Estimator.DUMMY: {"strategy": "median"},
    Estimator.LINEAR: {"positive": False},
    Estimator.RIDGE: {"alpha": 0.5},
    Estimator.TREE: {"min_samples_leaf": 5},
    Estimator.RANDOM_FOREST: {"n_estimators": 12},
    Estimator.HIST_GRADIENT_BOOSTING: {"max_iter": 40, "min_samples_leaf": 5},
}
QUICK = {kind: TrainingSpec(kind, parameters) for kind, parameters in _QUICK.items()}

WRONG: Mapping[Estimator, dict[str, Parameter]] = {
    Estimator.DUMMY: {"strategy": "best"},
    Estimator.LINEAR: {"fit_intercept": "perhaps"},
    Estimator.RIDGE: {"alpha": -1},
    Estimator.TREE: {"max_depth": 0},
    Estimator.RANDOM_FOREST: {"n_estimators": 2.5},
    Estimator.HIST_GRADIENT_BOOSTING: {"learning_rate": "fast"},
}
