"""The auditor's questions, each one statement over the published snapshot."""

from warehouse.questions.answer import Answer, ask, find_question
from warehouse.questions.registry import QUESTIONS, Parameter, Question

__all__ = ["QUESTIONS", "Answer", "Parameter", "Question", "ask", "find_question"]
