"""From the features of a row to the columns of an estimator."""
