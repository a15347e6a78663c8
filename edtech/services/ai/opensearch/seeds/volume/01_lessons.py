# seedbed: table=lessons key=lesson_id
"""6 000 lessons of 300 courses with their vectors: those of courses/dynamodb/seeds/volume, as its change feed has them.

The same ones at every load: the numbers come from a generator with a fixed seed, and no clock is asked.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from random import Random

LESSONS = 6_000
COURSES = 300
FIRST = datetime(2026, 1, 15, 8, tzinfo=UTC)
TEACHERS = ("bruno", "greta")
KINDS = ("video", "video", "video", "text", "text", "call")
WORDS = """
number letter scale side level story wish door voice page map river loop line name machine light force field cell root
verb tense chord tempo colour shadow atom bond price trade treaty border proof limit curve angle learn read write count
draw sing build measure compare explain ask answer begin end why how when where
""".split()  # noqa: SIM905  a list of words reads as one


def rows():
    random = Random(20261123)
    for number, lesson in enumerate(list(catalogue(random))):
        course, kind, language, title, minutes, is_preview, changed = lesson
        text = random.choices(WORDS, k=random.randint(20, 90))
        yield {
            "lesson_id": f"@courses.lessons:volume-{number}",
            "course_id": f"@courses.courses:volume-{course}",
            "teacher_id": f"@user.users:{TEACHERS[course % 2]}",
            "kind": kind,
            "languages": [language],
            "minutes": minutes,
            "free_preview": is_preview,
            "changed_at": f"{changed:%Y-%m-%dT%H:%M:%SZ}",
            "title": {language: title},
            "text": {language: " ".join(text)},
            "embedding_base": embedding(title.split() + text),
        }


def catalogue(random):
    """Yield course, kind, language, title, minutes, free preview and date of every lesson, drawn before all else."""
    courses = random.choices(range(COURSES), weights=[1 / (each + 10) for each in range(COURSES)], k=LESSONS)
    for number, course in enumerate(sorted(courses)):
        language = random.choices(("en", "de", "es", "ja", "sv"), weights=(70, 12, 10, 5, 3))[0]
        title = " ".join(random.choices(WORDS, k=random.randint(1, 5)))
        changed = FIRST + timedelta(minutes=47 * number)
        yield (
            course,
            random.choice(KINDS),
            language,
            title,
            random.randint(5, 60),
            random.random() < 0.1,
            changed,
        )


def embedding(words, size=64):
    """Return where `words` lie in the space of the model, as the migrations of the embedding do."""
    vector = [0.5] + [0.0] * (size - 1)
    for word in words:
        for at, each in places(word, size):
            vector[at] += each
    length = sum(each * each for each in vector) ** 0.5
    return [round(each / length, 6) for each in vector]


@cache
def places(word, size):
    digest = blake2b(word.encode(), digest_size=8, person=b"base-2026-06").digest()
    return tuple((digest[at] % size, 1.0 if digest[at + 1] & 1 else -1.0) for at in range(0, 8, 2))
