"""Records of AWS CloudTrail: the forms in which they come, and what each of their parts says.

Every rule is one of names and forms, not a list of calls, so that it holds for services that do not exist yet. The
docstrings name the page of AWS's documentation that a form comes from; user guide means that of CloudTrail,
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/.
"""
