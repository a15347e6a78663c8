# The image of the graph: Neo4j Community, and openssl, with which it makes the certificate that it speaks TLS with.
# Built in this directory: docker build -f neo4j.Dockerfile -t neo4j .
FROM neo4j:2026.08.1-community

RUN apt-get update && apt-get install -y --no-install-recommends openssl && rm -rf /var/lib/apt/lists/*
