# seedbed: table=lessons
"""6 000 lessons of the courses of 01_courses.py: the first courses have most of them.

The same ones at every load: the numbers come from a generator with a fixed seed, and no clock is asked. The volume of
ai/opensearch draws the same ones.
"""

from datetime import UTC, datetime, timedelta
from random import Random

LESSONS = 6_000
COURSES = 300
FIRST = datetime(2026, 1, 15, 8, tzinfo=UTC)
KINDS = ("video", "video", "video", "text", "text", "call")
WORDS = """
number letter scale side level story wish door voice page map river loop line name machine light force field cell root
verb tense chord tempo colour shadow atom bond price trade treaty border proof limit curve angle learn read write count
draw sing build measure compare explain ask answer begin end why how when where
""".split()  # noqa: SIM905  a list of words reads as one


def rows():
    position = {}
    for number, lesson in enumerate(catalogue(Random(20261123))):
        course, kind, language, title, minutes, is_preview, changed = lesson
        position[course] = position.get(course, 0) + 10
        yield {
            "course_id": f"@courses.courses:volume-{course}",
            "lesson_id": f"@courses.lessons:volume-{number}",
            "position": position[course],
            "kind": kind,
            "title": {language: title},
            "minutes": minutes,
            "changed_on": f"{changed:%Y-%m-%d}",
            "changed_at": f"{changed:%Y-%m-%dT%H:%M:%SZ}",
            "exercises": [],
            "free_preview": is_preview,
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
