"""Keeps what a model is measured on out of what it learns from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Characters of code, blanks at the ends of lines not counted, that no document may share with an evaluation case.
RUN = 60

#: Names of functions that HumanEval asks for, those that nobody else would choose.
HUMAN_EVAL = (
    "has_close_elements separate_paren_groups truncate_number below_zero mean_absolute_deviation parse_nested_parens filter_by_substring sum_product "
    "rolling_max make_palindrome string_xor string_sequence count_distinct_characters parse_music how_many_times sort_numbers find_closest_elements "
    "rescale_to_unit filter_integers largest_divisor flip_case filter_by_prefix get_positive find_zero sort_third unique_digits sort_even prime_fib "
    "triples_sum_to_zero car_race_collision incr_list pairs_sum_to_zero triangle_area fib4 encode_cyclic decode_cyclic encode_shift decode_shift remove_vowels "
    "below_threshold same_chars correct_bracketing largest_prime_factor sum_to_n fibfib vowels_count circular_shift digitSum fruit_distribution "
    "strange_sort_list will_it_fly smallest_change total_match is_multiply_prime is_simple_power iscube hex_key decimal_to_binary is_happy "
    "numerical_letter_grade prime_length starts_one_ends anti_shuffle next_smallest is_bored any_int skjkasdkd check_dict_case count_up_to count_upper "
    "closest_integer make_a_pile words_string choose_num rounded_avg even_odd_palindrome count_nums move_one_ball reverse_delete odd_count minSubArraySum "
    "max_fill select_words get_closest_vowel match_parens add_elements get_odd_collatz valid_date prod_signs minPath is_nested "
    "check_if_last_char_is_a_letter can_arrange largest_smallest_integers compare_one is_equal_to_sum_even special_factorial fix_spaces file_name_check "
    "words_in_sentence order_by_points specialFilter get_max_triples sorted_list_sum x_or_y double_the_difference Strongest_Extension cycpattern_check "
    "even_odd_count int_to_mini_roman right_angle_triangle do_algebra string_to_md5 generate_integers"
).split()

_BENCHMARK = re.compile(r"\b(?:def|function|func|fn) (?:" + "|".join(map(re.escape, HUMAN_EVAL)) + r")\s*\(|def check\(candidate\)")

#: Lines that say nothing about where they come from.
_COMMON = re.compile(r"^(?:import |from |export \* |\}? ?from |#include|use |package |[\s\W]*$)")


class Contamination:
    """What the evaluation cases hold. Built once, asked for each document."""

    def __init__(self, cases: Iterable[str]) -> None:
        self._runs = {run for case in cases for run in runs(case)}

    def reason(self, text: str) -> str | None:
        """Why a document must go: it shares a run of lines with a case, or it defines a function of a benchmark."""
        if _BENCHMARK.search(text):
            return "benchmark"
        if self._runs and any(run in self._runs for run in runs(text)):
            return "evaluation case"
        return None


def runs(text: str) -> Iterator[int]:
    """For each line the hash of the shortest run of code lines from there on that has RUN characters, indentation not counted."""
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not _COMMON.match(line)]
    for start in range(len(lines)):
        length, end = 0, start
        while length < RUN and end < len(lines):
            length += len(lines[end])
            end += 1
        if length >= RUN:
            yield hash("\n".join(lines[start:end]))


def evaluation_cases(folder: Path) -> list[str]:
    """The full texts of the cases in `folder`'s *.jsonl files that have a prefix, a middle and a suffix."""
    cases: list[str] = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            case = json.loads(line)
            if "middle" in case:
                cases.append(case.get("prefix", "") + case["middle"] + case.get("suffix", ""))
    return cases
