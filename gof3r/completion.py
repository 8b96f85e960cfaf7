"""Completion scripts for shells, made of the texts of ``usage``.

Theory: every shell is told the same. The words before the cursor name a command (``_Level.steps``); that
command has options, with or without a value; a value may be a file or one of a few words; and what is no
option is a command's name, a file, or nothing that can be known here (keys of a bucket are not asked for).

It must not know what the options mean, beyond which words a value can be.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from .arguments import Option, options_of
from .usage import ALIASES, COMMANDS, GROUPS, MODES, SHELLS, TOP

_FILES = frozenset({"PATH", "FILE"})  # what stands in a text for the name of a file
_CHOICES = {
    "stats": ("text", "json"),
    "checksum": ("md5,crc64nvme", "md5", "crc64nvme"),
    "method": ("GET", "PUT"),
    # S3 User Guide, "Canned ACL"
    "acl": (
        *("private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read"),
        *("bucket-owner-read", "bucket-owner-full-control"),
    ),
}
_TAKES_FILES = ("<path>", "<source>")


@dataclass(frozen=True, slots=True)
class _Level:
    """What can follow once the words before have named ``name``."""

    name: str
    """``top``, a group's or a command's."""
    words: dict[str, str]
    """What may stand here that is no option, with its description."""
    files: bool
    options: tuple[Option, ...]


def completion(shell: str) -> str:
    """The script for ``shell``, one of SHELLS."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]()


def _levels() -> list[_Level]:
    texts = {"top": TOP, **GROUPS, **COMMANDS}
    levels = []
    for name, text in texts.items():
        words = {word: _first(texts[level]) for above, word, level in _steps() if above == name}
        if name == "completion":
            words = dict.fromkeys(SHELLS, "")
        if name == "bench":
            words = dict.fromkeys(MODES, "")
        files = any(argument in text for argument in _TAKES_FILES)
        levels.append(_Level(name, words, files, tuple(options_of(text).values())))
    return levels


def _steps() -> list[tuple[str, str, str]]:
    """Each word that leads from one level to another, between the two."""
    single = dict.fromkeys(name.partition(" ")[0] for name in COMMANDS)
    steps = [("top", name, name) for name in single]
    steps += [("top", alias, name) for alias, name in ALIASES.items()]
    pairs = [(name.partition(" "), name) for name in COMMANDS if " " in name]
    return steps + [(group, word, name) for (group, _, word), name in pairs]


def _first(text: str) -> str:
    """The first sentence of ``text``."""
    return " ".join(text.partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")


def _walk(line: str) -> Iterator[str]:
    """``line`` for each step, with its pattern and where it leads."""
    for above, word, level in _steps():
        yield line.format(pattern=shlex.quote(f"{above}/{word}"), level=shlex.quote(level))


# --- bash -------------------------------------------------------------------

_BASH = """\
# gof3r's completion for bash: source <(gof3r completion bash)
_gof3r() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} level=top each
    local words='' files='' options='' paths='' valued=''
    # bash takes --stats=json for three words
    [[ $before == = ]] && before=${{COMP_WORDS[COMP_CWORD - 2]}}
    [[ $word == = ]] && word=''
    for each in "${{COMP_WORDS[@]:1:COMP_CWORD - 1}}"; do
        case $level/$each in
{steps}
        esac
    done
    case $level in
{levels}
    esac
    if [[ " $paths " == *" $before "* ]]; then
        words='' files=yes
    elif [[ " $valued " == *" $before "* ]]; then
        files=''
        case $before in
{choices}
            *) words='' ;;
        esac
    elif [[ $word == -* ]]; then
        words=$options files=''
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    if [[ $files ]]; then
        compopt -o filenames 2> /dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}}
complete -F _gof3r gof3r
"""


def _bash() -> str:
    levels = []
    for level in _levels():
        valued = [option for option in level.options if option.value]
        assignments = {
            "words": list(level.words),
            "files": ["yes"] if level.files else [],
            "options": [f"--{option.long}" for option in level.options],
            "paths": [name for option in valued if option.value in _FILES for name in _names(option)],
            "valued": [name for option in valued for name in _names(option)],
        }
        levels.append(f"        {shlex.quote(level.name)})")
        levels += [f"            {key}={shlex.quote(' '.join(value))}" for key, value in assignments.items()]
        levels.append("            ;;")
    return _BASH.format(
        steps="\n".join(_walk("            {pattern}) level={level} ;;")),
        levels="\n".join(levels),
        choices="\n".join(
            f"            --{name}) words={shlex.quote(' '.join(words))} ;;"
            for name, words in _CHOICES.items()
        ),
    )


def _names(option: Option) -> list[str]:
    return [f"--{option.long}", *([f"-{option.short}"] if option.short else [])]


# --- zsh --------------------------------------------------------------------

_ZSH = """\
#compdef gof3r
# gof3r's completion for zsh: gof3r completion zsh > DIRECTORY_OF_FPATH/_gof3r, or source it after compinit
_gof3r() {{
    local level=top each
    for each in "${{(@)words[2,CURRENT-1]}}"; do
        case $level/$each in
{steps}
        esac
    done
    case $level in
{levels}
    esac
}}
if [[ $funcstack[1] == _gof3r ]]; then _gof3r "$@"; else compdef _gof3r gof3r; fi
"""


def _zsh() -> str:
    levels = []
    for level in _levels():
        specs = [_zsh_spec(option) for option in level.options]
        if level.words:
            words = " ".join(
                f"{word}\\:{shlex.quote(_zsh_escaped(text))}" if text else word
                for word, text in level.words.items()
            )
            specs.append(shlex.quote(f"*:command:(({words}))"))
        else:
            specs.append(f"'*:argument:{'_files' if level.files else ' '}'")
        body = " \\\n                ".join(specs)
        levels.append(
            f"        {shlex.quote(level.name)})\n            _arguments : \\\n                {body}"
        )
        levels.append("            ;;")
    return _ZSH.format(
        steps="\n".join(_walk("            {pattern}) level={level} ;;")), levels="\n".join(levels)
    )


def _zsh_spec(option: Option) -> str:
    text = f"[{_zsh_escaped(_first(option.text))}]"
    if option.value:
        choices = f"({' '.join(_CHOICES[option.long])})" if option.long in _CHOICES else " "
        text += f":{option.value}:{'_files' if option.value in _FILES else choices}"
    equals = "=" if option.value else ""
    repeatable = "*" if option.value == "HEADER" else ""
    if not option.short:
        return shlex.quote(f"{repeatable}--{option.long}{equals}{text}")
    before = repeatable or f"(-{option.short} --{option.long})"
    return f"'{before}'{{-{option.short},--{option.long}{equals}}}{shlex.quote(text)}"


def _zsh_escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


# --- fish -------------------------------------------------------------------

_FISH = """\
# gof3r's completion for fish: gof3r completion fish > ~/.config/fish/completions/gof3r.fish
function __gof3r_at
    set -l level top
    for each in (commandline -opc)[2..]
        switch "$level/$each"
{steps}
        end
    end
    test "$level" = "$argv[1]"
end
complete -c gof3r -f
"""


def _fish() -> str:
    lines = [
        _FISH.format(steps="\n".join(_walk("            case {pattern}\n                set level {level}")))
    ]
    for level in _levels():
        start = f"complete -c gof3r -n {_fish_quoted(f'__gof3r_at {_fish_quoted(level.name)}')}"
        lines += [f"{start} -a {word} -d {_fish_quoted(text)}\n" for word, text in level.words.items()]
        if level.files:
            lines.append(f"{start} -F\n")
        lines += [f"{start} {_fish_spec(option)}\n" for option in level.options]
    return "".join(lines)


def _fish_spec(option: Option) -> str:
    words = [f"-s {option.short}"] if option.short else []
    words.append(f"-l {option.long}")
    if option.value in _FILES:
        words.append("-r -F")
    elif option.value:
        words.append("-x")
    if option.long in _CHOICES:
        words.append(f"-a {_fish_quoted(' '.join(_CHOICES[option.long]))}")
    return " ".join([*words, f"-d {_fish_quoted(_first(option.text))}"])


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
