"""Strings that somebody might give as a name, to see a page act upon them: Markdown, HTML, LaTeX, formulas, control characters."""

HOST = "foreign.example"
"""No page, picture or figure may ask this host for anything."""

MARKDOWN = [
    "![p](http://{h}/x.png)",
    "[p](http://{h}/)",
    "[p][1]\n\n[1]: http://{h}/",
    "<http://{h}/>",
    "http://{h}/x.png",
    "www.{h}",
    "mail@{h}",
    "# heading",
    "- item",
    "1. item",
    "> quoted",
    "---",
    "***bold***",
    "_em_ `code`",
    "~~struck~~",
    "|a|b|\n|-|-|\n|1|2|",
    "```\ncode\n```",
    ":red[red] :joy: :material/delete:",
    ":red-badge[badge]",
    "[^1] [^1]: note",
    "\\![p](http://{h}/x.png)",
    "&lt;b&gt; &#33;[p](http://{h}/x.png)",
    "!\\[p](http://{h}/x.png)",
    "- [x] done",
    "line\\\nbreak",
]
HTML = [
    "<img src=http://{h}/x.png>",
    "<b>bold</b>",
    "<a href='http://{h}/'>a</a>",
    "<script>fetch('http://{h}/')</script>",
    "</script><script>fetch('http://{h}/')</script>",
    "<svg onload=fetch('http://{h}/')>",
    "<style>@import 'http://{h}/a.css';</style>",
    "<iframe src=http://{h}/></iframe>",
    "<span style='color:red'>red</span>",
    "<br>x<sup>2</sup>",
    "\"><img src=x onerror=fetch('http://{h}/')>",
    "javascript:fetch('http://{h}/')",
    "<base href=http://{h}/>",
    "<link rel=stylesheet href=http://{h}/a.css>",
    "%{{x}} %{{customdata[0]}} <extra>e</extra>",
    "<!-- comment -->",
    "&nbsp;&amp;",
    "<meta http-equiv=refresh content='0;url=http://{h}/'>",
    "{{{{7*7}}}} ${{7*7}}",
    "<image href=http://{h}/x.png />",
]
LATEX = [
    "$x^2$",
    "$$\\frac{{1}}{{2}}$$",
    "\\(a\\)",
    "\\[a\\]",
    "$\\href{{http://{h}/}}{{a}}$",
    "$\\includegraphics{{http://{h}/x.png}}$",
    "costs $5 or $6",
    "\\begin{{a}}\\end{{a}}",
    "$\\color{{red}}a$",
    "$\\url{{http://{h}/}}$",
]
FORMULAS = [
    "=cmd|' /C calc'!A0",
    "=cmd|calc!A0",
    '=HYPERLINK("http://{h}/","a")',
    '=IMPORTXML("http://{h}/","//a")',
    '=WEBSERVICE("http://{h}/")',
    "+1+1",
    "-1+1",
    "@SUM(1,1)",
    "\t=1+1",
    "\r=1+1",
    "'=1+1",
    "''=1+1",
    "a;=1+1",
    "a\n=1+1",
    "a\t=1+1",
    "\uff1d1+1",
    '=1+1";=1+1',
    '"=1+1"',
    "-0.5",
    "=",
]
CONTROL = [
    "a\x1b[31mred",
    "a\x1b]0;title\x07",
    "a\x1b[2J",
    "a\x00b",
    "a\x08\x08b",
    "a\rb",
    "a\nb: forged line",
    "a\x7fb",
    "a\x9b31mb",
    "a\u2028b",
    "a\u2029b",
    "a\x85b",
    "a\u200bb",
    "a\ufeffb",
    "a\u00adb",
    "a\U000e0041b",
    "a\x0cb",
    "a\x1b]8;;http://{h}/\x07link\x1b]8;;\x07",
]
DIRECTION = [
    "\u202eeman",
    "a\u202dbc\u202c",
    "a\u2066b\u2069",
    "a\u200fb",
    "a\u061cb",
    "\u05d0\u05d1\u05d2",
    "\u0627\u0644\u0635\u062f\u0631",
    "a \u05d0\u05d1 12 b",
    "\u0633\u0631\u0637\u0627\u0646 = 5",
    "exe\u202egnp.x",
]
LONG = ["x" * 10_000, "![p](http://{h}/x.png) " * 400, "<b>" * 3_000, "word " * 2_000, "\u0645" * 10_000, "=1+1;" * 2_000, "_" * 10_000]
KINDS = {"markdown": MARKDOWN, "html": HTML, "latex": LATEX, "formula": FORMULAS, "control": CONTROL, "direction": DIRECTION, "long": LONG}
"""Templates by kind; `{h}` becomes the host."""


def foreign_strings(count: int) -> list[str]:
    """`count` different strings, of every kind in turn; beyond the templates, two of them joined."""
    kinds = [[template.format(h=HOST) for template in templates] for templates in KINDS.values()]
    single = [kind[i] for i in range(max(map(len, kinds))) for kind in kinds if i < len(kind)]
    short = [text for text in single if len(text) < 200]
    joined = [f"{one} {other}" for step in range(1, len(short)) for one, other in zip(short, short[step:], strict=False)]
    return list(dict.fromkeys([*single, *joined]))[:count]
