"""The tutor-matching service: who teaches what."""

import os

import neo4j


def connect() -> neo4j.Driver:
    """Return a driver for the graph that the service's variables name."""
    user = os.environ.get("NEO4J_USERNAME")
    auth = (user, os.environ["NEO4J_PASSWORD"]) if user else None
    return neo4j.GraphDatabase.driver(os.environ["NEO4J_URI"], auth=auth)


def teachers(driver: neo4j.Driver, skill: str) -> list[str]:
    """Return the given names of those who teach a skill."""
    rows = driver.execute_query(
        "MATCH (t:Tutor)-[:TEACHES]->(s:Skill {slug: $skill}) RETURN DISTINCT t.given_name AS name ORDER BY name",
        skill=skill,
    ).records
    return [each["name"] for each in rows]


def stop_teaching(driver: neo4j.Driver, name: str, skill: str) -> None:
    """Remove that a tutor teaches a skill."""
    driver.execute_query(
        "MATCH (:Tutor {given_name: $name})-[r:TEACHES]->(:Skill {slug: $skill}) DELETE r",
        name=name,
        skill=skill,
    )
