"""A Fargate made of local processes, in front of ministack: RunTask really runs what a task definition says.

::

    with proxy(world.endpoint) as aws, fargate(aws, world) as tasks:
        tasks.images[IMAGE] = seedbed_image(platform)
        tasks.network[aurora] = {"HOST": "127.0.0.1", "PORT": port, "SSLROOTCERT": None}
        ...                                     # a client gets `aws.endpoint`
        task = tasks.wait("RUNNING")
        task.end("OutOfMemory")
        assert tasks.wait("STOPPED").told["stopCode"] == "EssentialContainerExited"

RunTask, StopTask, DescribeTasks and ListTasks are answered here, with the errors and the words of ECS. All the rest is
ministack's: there are the task definition, as CloudFormation registered it, its secrets, its network, its roles, and
the log group that gets the output. What starting it takes has to be allowed to the definition's execution role. The process gets the definition's environment, its secrets, the overrides, what the
image sets and what Fargate sets, and nothing of the machine's, so that a variable which nobody declared is missing.

Rules of the proxy apply to these calls as to all: `aws.drop("RunTask", when="answered")` loses an answer, and the task
runs. What a rule cannot say is an attribute of `Fargate`: how long a start takes, and whether there is capacity.
`piping` starts tasks as the pipes of the account do.
"""

from tests.support.fargate.facade import Fargate, fargate
from tests.support.fargate.images import Image, seedbed_image
from tests.support.fargate.pipes import Pipes, piping
from tests.support.fargate.rights import execution_role
from tests.support.fargate.tasks import Task

__all__ = ["Fargate", "Image", "Pipes", "Task", "execution_role", "fargate", "piping", "seedbed_image"]
