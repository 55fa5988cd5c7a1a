"""The pages: which there are, and what each is made of."""

import re

import constants
from roff import Inline, code, declaration, literal, see_also, wrapped
from wording import clauses, lifetime, sentences, sort, summary

NAME = re.compile(r"\btw_[a-z0-9_]+\b")
OVERVIEW = ("tightwire", 7)


class Manual:
    """All pages of a header, as (file name, roff)."""

    def __init__(self, header, examples, overview, since, version, date):
        self.header, self.examples, self.overview = header, examples, overview
        self.since, self.version, self.date = since, version, date
        self.groups = {}
        for constant in header.constants:
            page, title = constants.group(constant.name)
            self.groups.setdefault(page, (title, []))[1].append(constant)
        self.items = {item.name: item for item in [*header.functions, *header.structures, *header.types]}
        self.names = set(self.items) | set(self.groups)

    def pages(self):
        for function in self.header.functions:
            yield f"{function.name}.3", self.function(function)
        for structure in self.header.structures:
            yield f"{structure.name}.3", self.structure(structure)
        for type_ in self.header.types:
            yield f"{type_.name}.3", self.type_(type_)
        for name, (title, members) in self.groups.items():
            if name not in self.items:
                yield f"{name}.3", self.group(name, title, members)
        yield "tightwire.7", self.seven()

    # ---- parts ------------------------------------------------------------------------------

    def page(self, name, section, title, *parts):
        lines = [
            '.\\" Generated from include/tightwire.h by docs/man/generate.py.',
            f'.TH {name.upper()} {section} "{self.date}" "tightwire {self.version}" "tightwire"',
            ".SH NAME",
            *wrapped(rf"{name} \- {title}"),
        ]
        for heading, body in parts:
            body = list(body)
            if body:
                lines += [f'.SH "{heading}"' if " " in heading else f".SH {heading}", *body]
        return "\n".join(lines) + "\n"

    def inline(self, own, arguments=()):
        return Inline(self.names, own, arguments)

    def related(self, own, *texts):
        """Pages that these texts speak of."""
        found = {name for text in texts for name in NAME.findall(text) if name in self.names and name != own}
        for text in texts:
            found |= {constants.group(name)[0] for name in re.findall(r"\bTW_[A-Z]+_[A-Z0-9_]+\b(?!\.\.\.)", text)}
        found.discard(own)
        return see_also([*((name, 3) for name in sorted(found)), OVERVIEW])

    def users_of(self, name):
        """Functions and structures whose declaration has this type."""
        items = [*self.header.functions, *self.header.structures]
        return [item.name for item in items if item.name != name and re.search(rf"\b{name}\b", item.source)]

    def availability(self, name):
        return [f"Since tightwire {self.since[name]}; link with \\fB\\-ltightwire\\fP."] if name in self.since else []

    @staticmethod
    def synopsis(source):
        return declaration(f"#include <tightwire.h>\n\n{source}")

    def listed(self, inline, members, tag):
        """A tagged paragraph for each member or constant."""
        for member in members:
            yield from [".TP", tag(member), *inline.paragraphs(member.text)]

    # ---- kinds of pages ---------------------------------------------------------------------

    def function(self, item):
        inline, parts = self.inline(item.name, item.parameters), sort(item.text)
        return self.page(
            item.name,
            3,
            summary(item.text),
            ("SYNOPSIS", self.synopsis(item.source)),
            ("DESCRIPTION", inline.paragraphs(parts.description)),
            ("RETURN VALUE", self.returned(inline, item, parts.returns)),
            ("THREADS", inline.paragraphs([" ".join(parts.threads)])),
            ("LIFETIME", self.lifetime(inline, parts.lifetime)),
            ("AVAILABILITY", self.availability(item.name)),
            ("EXAMPLE", self.example(item.name)),
            ("SEE ALSO", self.related(item.name, item.source, *item.text)),
        )

    @staticmethod
    def lifetime(inline, found):
        return inline.paragraphs([" ".join(found)] if found else [])

    def returned(self, inline, item, found):
        if item.returns == "void":
            return ["None."]
        if not found:
            return inline.paragraph(sentences(item.text[0])[0])
        lines = []
        for sentence in found:
            for codes, meaning in clauses(sentence):
                lines += [".PP"] if lines and not codes else []
                lines += self.clause(inline, codes, meaning)
        return lines

    def clause(self, inline, codes, meaning):
        if not codes:
            return list(inline.paragraph(meaning.rstrip(".") + "."))
        if not meaning:
            texts = {constant.name: constant.text for constant in self.header.constants}
            return [line for one in codes for line in [".TP", rf"\fB{one}\fP", *inline.paragraphs(texts[one])]]
        meaning = meaning[0].upper() + meaning[1:] if meaning[0].isalpha() and not meaning.startswith("tw_") else meaning
        tag = ", ".join(rf"\fB{one}\fP" for one in codes)
        return [".TP", tag, *inline.paragraph(meaning.rstrip(".") + ".")]

    def example(self, name):
        for at, (file, lines) in enumerate(self.examples.get(name, [])):
            yield from [".PP"] if at else []
            yield from [f"From \\fI{literal(f'docs/man/examples/{file}')}\\fP, a complete program:", ".PP", *code(lines)]

    def structure(self, item):
        inline = self.inline(item.name)
        bare = re.sub(r"\s*/\*(?:(?!\*/).)*\*/", "", item.source, flags=re.S)
        texts = [*item.text, *(text for member in item.members for text in member.text)]
        about, life = lifetime(item.text)
        return self.page(
            item.name,
            3,
            summary(item.text),
            ("SYNOPSIS", self.synopsis(bare)),
            ("DESCRIPTION", inline.paragraphs(about)),
            ("MEMBERS", self.listed(inline, item.members, self.member_tag)),
            ("LIFETIME", self.lifetime(inline, life)),
            ("CONSTANTS", self.values(item.name)),
            ("SEE ALSO", self.related(item.name, " ".join(self.users_of(item.name)), bare, *texts)),
        )

    @staticmethod
    def member_tag(member):
        """Its declaration; a callback, whose declaration is long, by its name."""
        shown = member.name if "(*" in member.source else member.source.rstrip(";")
        return rf"\fB{literal(shown)}\fP"

    def values(self, page):
        _, members = self.groups.get(page, ("", []))
        return self.listed(self.inline(page), members, lambda one: rf"\fB{one.name}\fP ({one.source.split()[2]})")

    def type_(self, item):
        inline = self.inline(item.name)
        about, life = lifetime(item.text)
        return self.page(
            item.name,
            3,
            summary(item.text),
            ("SYNOPSIS", self.synopsis(item.source)),
            ("DESCRIPTION", inline.paragraphs(about)),
            ("VALUES", self.values(item.name)),
            ("LIFETIME", self.lifetime(inline, life)),
            ("SEE ALSO", self.related(item.name, *item.text, *self.users_of(item.name))),
        )

    def group(self, name, title, members):
        source = "\n".join(one.source for one in members)
        users = [
            item.name
            for item in [*self.header.functions, *self.header.structures]
            if any(one.name in " ".join([item.source, *item.text]) for one in members)
        ]
        return self.page(
            name,
            3,
            title,
            ("SYNOPSIS", self.synopsis(source)),
            ("DESCRIPTION", self.values(name)),
            ("SEE ALSO", self.related(name, *users, *(text for one in members for text in one.text))),
        )

    # ---- the overview -----------------------------------------------------------------------

    def seven(self):
        """`tightwire.txt`: sections begin with `# `; `@rules@` and `@functions@` come from the header."""
        parts, inline = [], self.inline("")
        for section in re.split(r"^# ", self.overview, flags=re.M)[1:]:
            heading, _, body = section.partition("\n")
            parts.append((heading, self.section(inline, body.strip())))
        parts.append(("SEE ALSO", see_also([("tw_connect", 3), ("tw_listen", 3), ("tw_loop_new", 3)])))
        return self.page("tightwire", 7, "WebSocket client and server for C", *parts)

    def section(self, inline, body):
        lines = []
        for block in body.split("\n\n"):
            if block == "@rules@":
                made = inline.paragraphs(self.header.rules[2:])
            elif block == "@functions@":
                made = self.index(self.header.functions)
            elif block == "@structures@":
                made = self.index([*self.header.structures, *self.header.types])
            elif block == "@constants@":
                made = self.groups_index()
            elif block.startswith("    "):
                made = code([line[4:] for line in block.split("\n")])
            else:
                made = inline.paragraph(" ".join(block.split()))
            lines += [".PP"] if lines else []
            lines += made
        return lines

    def index(self, items):
        for item in items:
            yield from [".TP", rf"\fB{item.name}\fP(3)", *wrapped(summary(item.text))]

    def groups_index(self):
        for name, (title, _) in sorted(self.groups.items()):
            yield from [".TP", rf"\fB{name}\fP(3)", title]
