# seedbed: table=courses
"""300 courses for the lessons of 02_lessons.py."""

from datetime import UTC, datetime, timedelta

COURSES = 300
FIRST = datetime(2026, 1, 15, 8, tzinfo=UTC)
TEACHERS = ("bruno", "greta")
CATEGORIES = ("mathematics", "programming", "writing", "languages", "music")


def rows():
    for number in range(COURSES):
        made = f"{FIRST + timedelta(hours=13 * number):%Y-%m-%dT%H:%M:%SZ}"
        yield {
            "course_id": f"@courses.courses:volume-{number}",
            "teacher_id": f"@user.users:{TEACHERS[number % 2]}",
            "slug": f"volume-{number}",
            "title": {"en": f"Course {number}"},
            "language": "en",
            "category": CATEGORIES[number % len(CATEGORIES)],
            "level": "all",
            "state": "published",
            "created_at": made,
            "updated_at": made,
            "published_at": made,
            "schema_version": 2,
        }
