# A title was one text, in the language of the course; translations lay in a map of their own, title and summary of
# each language together. Now title and summary are maps from language to text (story 5). Code that reads both forms,
# told apart by schema_version, is out before this runs.
# seedbed: phase=migrate table=courses from=1 to=2
"""courses.title and courses.summary: text in one language -> language -> text."""

TEXTS = ("title", "summary")  # `language` always has a title; a summary is there or not, in any language


def up(item: dict) -> dict:
    translations = item.pop("translations", {})
    for name in TEXTS:
        texts = {item["language"]: item[name]} if name in item else {}
        texts |= {language: each[name] for language, each in translations.items() if name in each}
        if texts:
            item[name] = texts
    return item


def down(item: dict) -> dict:
    """What `up` was given comes back, an empty map of translations apart; so does what was translated since."""
    translations: dict[str, dict[str, str]] = {}
    for name in TEXTS:
        texts = dict(item.pop(name, {}))
        if item["language"] in texts:
            item[name] = texts.pop(item["language"])
        for language, text in texts.items():
            translations.setdefault(language, {})[name] = text
    if translations:
        item["translations"] = translations
    return item
