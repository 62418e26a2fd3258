"""From a training specification to an estimator of scikit-learn."""

from collections.abc import Callable
from typing import Any

from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from domain.errors import Misconfigured
from domain.features.feature_set import FeatureSet
from domain.training.specification import Estimator, TrainingSpec

# Chosen by five-fold cross-validation on the training rows of the reference data.
_BUILDERS: dict[Estimator, Callable[[int], Any]] = {
    Estimator.DUMMY: lambda _: DummyRegressor(),
    Estimator.LINEAR: lambda _: LinearRegression(),
    Estimator.RIDGE: lambda seed: Ridge(alpha=1.0, random_state=seed),
    Estimator.TREE: lambda seed: DecisionTreeRegressor(min_samples_leaf=20, random_state=seed),
    Estimator.RANDOM_FOREST: lambda seed: RandomForestRegressor(
        n_estimators=100, min_samples_leaf=3, max_features=0.5, n_jobs=-1, random_state=seed
    ),
    Estimator.HIST_GRADIENT_BOOSTING: lambda seed: HistGradientBoostingRegressor(
        max_iter=500,
        learning_rate=0.04,
        max_leaf_nodes=63,
        min_samples_leaf=40,
        max_features=0.2,
        max_bins=128,
        l2_regularization=10.0,
        early_stopping=False,
        random_state=seed,
    ),
}

# The error-scale model: upper quartiles of the root of the error. Chosen by the mean width of
# intervals at 0.9, cross-validated on the training rows of the reference data.
ERROR_SCALE = TrainingSpec(
    Estimator.HIST_GRADIENT_BOOSTING,
    {
        "loss": "quantile",
        "quantile": 0.75,
        "max_iter": 100,
        "learning_rate": 0.08,
        "max_leaf_nodes": 31,
        "min_samples_leaf": 50,
        "max_features": 1.0,
        "l2_regularization": 10.0,
    },
    features=FeatureSet.PLAIN,
)

# Subsampling shares: boosting is fitted on each row once per share, with that share of the other
# rows as possible neighbours. It then relies less on single neighbours. Chosen as above.
SHARES = (1.0, 0.7, 0.4)

# Set by other fields of the specification, or without effect on the model.
_NOT_FOR_USERS = {
    "random_state",
    "n_jobs",
    "verbose",
    "warm_start",
    "copy_X",
    "categorical_features",
}


def shares(estimator: Any) -> tuple[float, ...]:
    """Return the subsampling shares for an estimator; see `FeatureEncoding.fit_transform`.

    With early stopping there is one share: copies of a row must not be in both of its parts.
    """
    boosted = isinstance(estimator, HistGradientBoostingRegressor)
    return SHARES if boosted and not estimator.early_stopping else SHARES[:1]


def build(spec: TrainingSpec) -> tuple[Any, dict[str, Any]]:
    """Return an estimator that is ready to be fitted, and its hyper-parameters by name.

    Raises:
        Misconfigured: a hyper-parameter is not one of this estimator.
    """
    estimator = _BUILDERS[spec.estimator](spec.seed)
    known = sorted(set(estimator.get_params()) - _NOT_FOR_USERS)
    unknown = sorted(set(spec.parameters) - set(known))
    if unknown:
        raise Misconfigured(
            f"{spec.estimator.value} has no hyper-parameter {', '.join(unknown)}; "
            f"allowed: {', '.join(known)}"
        )
    estimator.set_params(**spec.parameters)
    parameters = {name: estimator.get_params()[name] for name in known}
    if spec.estimator is Estimator.RIDGE:
        return make_pipeline(StandardScaler(), estimator), parameters
    return estimator, parameters
