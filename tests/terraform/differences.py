"""What a second plan wants to change though nothing has: moto does not give it back."""

from __future__ import annotations

PLATFORM_DIFFERENCES = {
    "aws_lambda_function.consumer": {"dead_letter_config", "logging_config"},
    "aws_s3_bucket_notification.datasets[0]": {"eventbridge"},
}
SERVING_DIFFERENCES = {
    "aws_appautoscaling_target.servers": {"tags_all"},
    "aws_ecs_service.this": {
        "availability_zone_rebalancing",
        "enable_ecs_managed_tags",
        "health_check_grace_period_seconds",
    },
    "aws_vpc_security_group_egress_rule.balancer": {"description"},
    "aws_vpc_security_group_ingress_rule.server": {"description"},
}


def unexpected(
    changes: dict[str, list[str]], emulators: dict[str, set[str]]
) -> dict[str, list[str]]:
    """The changes that are not the emulator's."""
    return {
        address: changed
        for address, changed in changes.items()
        if set(changed) - {"update"} - emulators.get(address, set())
    }
