"""What we promise of the template, as rules that a program holds it against: pure functions over the parsed template.

`rules.check` is the entry; `template_world` reads the template; each other module has the rules of one subject.
"""
