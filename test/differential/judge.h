/* SPDX-License-Identifier: MIT */
#ifndef TEST_DIFFERENTIAL_JUDGE_H
#define TEST_DIFFERENTIAL_JUDGE_H

/* A judge is a program: judge.c, which reads documents and writes verdicts, and one file that fills in what is declared
 * here. (Each is a program of its own because Jansson and json-c have functions of the same names.) */

#include <stddef.h>
#include <stdio.h>

/* Writes a verdict of a document, which has a NUL behind it; up to NULL. */
extern void (*const judgements[])(FILE *out, const char *text, size_t size);

void put_double(FILE *out, double value);
void put_string(FILE *out, const char *bytes, size_t size);

#endif
