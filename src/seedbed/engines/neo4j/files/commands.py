"""What a schema statement creates or drops, as far as finding and undoing it needs to know."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from seedbed.engines.neo4j.files.lexer import LexError, Token, TokenKind, is_word
from seedbed.engines.neo4j.files.split import Statement, split
from seedbed.engines.neo4j.files.statements import body_of

_EXAMPLE = "CREATE CONSTRAINT skill_name FOR (s:Skill) REQUIRE s.name IS UNIQUE"

_LITERALS = {
    TokenKind.WORD,
    TokenKind.NAME,
    TokenKind.STRING,
}  # what `{indexProvider: 'range-1.0'}` consists of


class Verb(StrEnum):
    CREATE = "CREATE"
    DROP = "DROP"


class Noun(StrEnum):
    CONSTRAINT = "CONSTRAINT"
    INDEX = "INDEX"


class Entity(StrEnum):
    NODE = "NODE"
    RELATIONSHIP = "RELATIONSHIP"


class SchemaKind(StrEnum):
    """Of a constraint, or of an index."""

    UNIQUENESS = "UNIQUENESS"
    KEY = "KEY"
    EXISTENCE = "EXISTENCE"
    TYPE = "TYPE"
    RANGE = "RANGE"
    TEXT = "TEXT"
    POINT = "POINT"
    LOOKUP = "LOOKUP"
    FULLTEXT = "FULLTEXT"
    VECTOR = "VECTOR"


class SchemaPattern(Struct, frozen=True):
    """What a constraint or an index is about. `labels` are sorted; types, where it is about relationships."""

    kind: SchemaKind
    entity: Entity
    labels: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    property_type: str = ""

    def __str__(self) -> str:
        inside = "|".join(self.labels)
        pattern = f"(:{inside})" if self.entity is Entity.NODE else f"()-[:{inside}]-()"
        return f"{pattern} {', '.join(self.properties)}".rstrip()


class SchemaCommand(Struct, frozen=True):
    """`CREATE INDEX name IF NOT EXISTS FOR …`: `is_guarded` by IF; `subject` is None for a DROP."""

    verb: Verb
    noun: Noun
    name: str
    is_guarded: bool = False
    subject: SchemaPattern | None = None

    def __str__(self) -> str:
        return f"{self.verb} {self.noun} {self.name}"


def parse_command(text: str) -> SchemaCommand:
    """Return the command that the one schema statement in `text` is. Raises LexError."""
    (statement,) = split(text)
    return command_in(statement)


def parse_definition(text: str) -> SchemaCommand:
    """Return the CREATE that `text` is, all of it: nothing follows but literal options. Raises LexError.

    For text that comes from elsewhere, such as a dump, and is to be sent as it is.
    """
    no_definition = LexError("it is not one CREATE CONSTRAINT or CREATE INDEX", 0)
    statements = split(text)
    if len(statements) != 1 or not is_word(body_of(statements[0]), 0, "CREATE"):
        raise no_definition
    parser = _CommandParser(statements[0])
    try:
        command = parser.command()
    except LexError:
        raise
    except (ValueError, IndexError):  # no word of a definition where one has to be
        raise no_definition from None
    parser.require_literal_options()
    return command


def command_in(statement: Statement) -> SchemaCommand:
    """Return the command that a schema `statement` is. Raises LexError with an offset in the text it comes from."""
    return _CommandParser(statement).command()


class _CommandParser:
    """Reads one statement from left to right."""

    def __init__(self, statement: Statement) -> None:
        self.tokens: Sequence[Token] = body_of(statement)
        self.end = statement.end
        self.position = 0

    def command(self) -> SchemaCommand:
        verb = Verb(self._next().value.upper())
        if self._take("OR"):
            raise self._lex_error(f"`{verb} OR REPLACE` is for databases", "Neo4j refuses it here")
        index_kind = self._index_kind()
        noun = Noun(self._next().value.upper())
        name = self._name(verb, noun)
        if verb is Verb.DROP:
            is_guarded = self._guard("EXISTS")
            self._require_end()
            return SchemaCommand(verb, noun, name, is_guarded)
        is_guarded = self._guard("NOT", "EXISTS")
        self._require_present_syntax()
        self._require(self._take("FOR"), "FOR and a pattern")
        entity, labels = self._pattern()
        subject = (
            self._constrained(entity, labels)
            if noun is Noun.CONSTRAINT
            else self._indexed(index_kind, entity, labels)
        )
        return SchemaCommand(verb, noun, name, is_guarded, subject)

    def require_literal_options(self) -> None:
        """Read `OPTIONS {…}`, where it is there, up to the end: names, texts and numbers, and what holds them."""
        if self._take("LABELS", "TYPE"):  # what a lookup index is about
            self._require(self._take("(") and bool(self._any_name("a name")) and self._take(")"), "labels(n)")
        if self._take("OPTIONS"):
            while (token := self._peek()) is not None and (
                token.kind in _LITERALS or token.says(*"{}[]:,-.")
            ):
                self.position += 1
        self._require_end()

    def _index_kind(self) -> SchemaKind:
        token = self._peek()
        if token is None or token.says("CONSTRAINT", "INDEX"):
            return SchemaKind.RANGE
        word = self._next().value.upper()
        if word == "BTREE":
            raise self._lex_error(
                "BTREE indexes were removed in Neo4j 5", "", "CREATE INDEX … creates a range index"
            )
        return SchemaKind(word)

    def _name(self, verb: Verb, noun: Noun) -> str:
        token = self._peek()
        if token is not None and token.kind is TokenKind.PARAMETER:
            raise self._lex_error(f"${token.value} has no value", "a migration is run as it is written")
        self._require_present_syntax()
        is_missing = token is None or not token.is_name or token.says("FOR", "IF")
        if is_missing and not self._is_name_after_all():
            raise self._lex_error(
                f"the {noun.lower()} has no name",
                f"after a crash seedbed finds it by its name, and by it undoes `{verb} {noun}`",
                _EXAMPLE if noun is Noun.CONSTRAINT else "CREATE INDEX skill_name FOR (s:Skill) ON (s.name)",
            )
        return self._next().value

    def _is_name_after_all(self) -> bool:
        """Return whether FOR or IF is the name itself: `CREATE INDEX for FOR …`."""
        token, after = self._peek(), self._peek(1)
        if token is None or not token.is_name:
            return False
        return after is None or after.says("FOR", "IF")

    def _require_present_syntax(self) -> None:
        token = self._peek()
        if token is not None and token.says("ON"):
            raise self._lex_error(
                "this is the schema syntax of Neo4j 4", "no supported server accepts it", _EXAMPLE
            )

    def _guard(self, *words: str) -> bool:
        if not self._take("IF"):
            return False
        for word in words:
            self._require(self._take(word), f"IF {' '.join(words)}")
        return True

    def _pattern(self) -> tuple[Entity, tuple[str, ...]]:
        """Read `(n:Label)` or `()-[r:TYPE]-()`, arrows or none."""
        self._require(self._take("("), "( after FOR")
        if self._take(")"):
            while not self._take("["):
                self._require(self._take("<", "-"), "()-[r:TYPE]-()")
            labels = self._labels("]")
            while self._take("-", ">"):
                pass
            self._require(self._take("(") and self._take(")"), "()-[r:TYPE]-()")
            return Entity.RELATIONSHIP, labels
        return Entity.NODE, self._labels(")")

    def _labels(self, end: str) -> tuple[str, ...]:
        self._any_name("a name in the pattern")
        found: list[str] = []
        if self._take(":"):
            found.append(self._any_name("a label or type"))
            while self._take("|"):
                found.append(self._any_name("a label or type"))
        self._require(self._take(end), f"{end} after the pattern")
        return tuple(sorted(found))

    def _constrained(self, entity: Entity, labels: tuple[str, ...]) -> SchemaPattern:
        self._require(self._take("REQUIRE"), "REQUIRE and what of it")
        properties = self._properties()
        self._require(self._take("IS"), "IS and what is required")
        kind, property_type = self._requirement()
        return SchemaPattern(kind, entity, labels, properties, property_type)

    def _requirement(self) -> tuple[SchemaKind, str]:
        self._take("NODE", "RELATIONSHIP", "REL")
        if self._take("UNIQUE"):
            return SchemaKind.UNIQUENESS, ""
        if self._take("KEY"):
            return SchemaKind.KEY, ""
        if self._take("NOT"):
            self._require(self._take("NULL"), "IS NOT NULL")
            return SchemaKind.EXISTENCE, ""
        is_typed = self._take("TYPED") or (self._take(":") and self._take(":"))
        self._require(is_typed, "UNIQUE, NODE KEY, NOT NULL or :: and a type")
        words = []
        while (token := self._peek()) is not None and not token.says("OPTIONS"):
            words.append(self._next().value.upper())
        return SchemaKind.TYPE, " ".join(words)

    def _indexed(self, kind: SchemaKind, entity: Entity, labels: tuple[str, ...]) -> SchemaPattern:
        self._require(self._take("ON"), "ON and properties")
        is_each = self._take("EACH")
        if kind is SchemaKind.LOOKUP:
            return SchemaPattern(kind, entity, labels)
        properties = self._listed("[", "]") if is_each else self._properties()
        if self._take("WITH"):  # a vector index may filter by more of them
            properties += self._listed("[", "]")
        return SchemaPattern(kind, entity, labels, properties)

    def _properties(self) -> tuple[str, ...]:
        """Read `n.name`, or `(n.name, n.rank)`."""
        token = self._peek()
        return self._listed("(", ")") if token is not None and token.says("(") else (self._property(),)

    def _listed(self, opening: str, closing: str) -> tuple[str, ...]:
        self._require(self._take(opening), f"{opening} and properties")
        found = [self._property()]
        while self._take(","):
            found.append(self._property())
        self._require(self._take(closing), f"{closing} after the properties")
        return tuple(found)

    def _property(self) -> str:
        self._any_name("a property: n.name")
        self._require(self._take("."), "a property: n.name")
        return self._any_name("a property: n.name")

    def _any_name(self, form: str) -> str:
        token = self._peek()
        self._require(token is not None and token.is_name, form)
        return self._next().value

    def _peek(self, ahead: int = 0) -> Token | None:
        position = self.position + ahead
        return self.tokens[position] if position < len(self.tokens) else None

    def _next(self) -> Token:
        token = self.tokens[self.position]
        self.position += 1
        return token

    def _take(self, *words: str) -> bool:
        token = self._peek()
        if token is None or not token.says(*words):
            return False
        self.position += 1
        return True

    def _require_end(self) -> None:
        self._require(self._peek() is None, "nothing after it")

    def _require(self, condition: bool, form: str) -> None:
        if not condition:
            token = self._peek()
            found = f"`{token.value}`" if token else "the end"
            raise self._lex_error(f"{found} is not expected here", f"expected: {form}", _EXAMPLE)

    def _lex_error(self, what: str, because: str, try_: str = "") -> LexError:
        token = self._peek()
        return LexError(what, token.start if token else self.end, because, try_)
