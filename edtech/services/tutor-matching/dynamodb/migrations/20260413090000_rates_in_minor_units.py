# Money is whole minor units of a currency everywhere, as payment has it since story 3.
# seedbed: phase=migrate table=tutor_profiles
# seedbed: repeatable because "a profile that has rate_minor has no hourly_rate"
"""tutor_profiles.hourly_rate -> rate_minor."""

from decimal import Decimal

# Digits after the point of the currencies that tutors asked for so far, where they are not two.
DIGITS = {"BHD": 3, "JOD": 3, "JPY": 0, "KRW": 0, "KWD": 3, "TND": 3}


def up(item: dict) -> dict:
    if "hourly_rate" in item:
        minor = item["hourly_rate"] * 10 ** DIGITS.get(item["currency"], 2)
        if minor != int(minor):
            raise ValueError(f"{item['hourly_rate']} {item['currency']} is no whole number of minor units")
        item["rate_minor"] = int(minor)
        del item["hourly_rate"]
    return item


def down(item: dict) -> dict:
    if "rate_minor" in item:
        item["hourly_rate"] = Decimal(item.pop("rate_minor")).scaleb(-DIGITS.get(item["currency"], 2))
    return item
