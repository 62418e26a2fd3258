"""A notebook that was run: prose, code, and what the code has shown."""

from dataclasses import dataclass, replace

from domain.reports.document import Part, Picture, Section


@dataclass(frozen=True, slots=True)
class Notebook:
    """The name of its file, its title, and its parts from top to bottom."""

    name: str
    title: str
    parts: tuple[Part, ...]

    def section(self, number: int) -> Section:
        """Return it as a section of a document in which it is the notebook of this number."""
        parts: list[Part] = []
        pictures = 0
        for part in self.parts:
            if isinstance(part, Picture):
                pictures += 1
                parts.append(replace(part, name=f"notebook-{number}-{pictures}"))
            else:
                parts.append(part)
        ran = f"The notebook `{self.name}`, run from top to bottom for this page."
        return Section(self.title, (ran,), parts=tuple(parts))
