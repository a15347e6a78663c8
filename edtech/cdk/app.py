"""The platform's databases, as a CDK app: cdk deploy --all -c environment=dev-ana"""

from pathlib import Path

from seedbed.cdk import run

run(Path(__file__).parents[1] / "seedbed.toml")
