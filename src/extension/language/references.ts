import * as vscode from 'vscode';
import { nameAt, placesOf } from '../../config/names';
import { type NamePlace, outlineOf } from '../../config/outline';
import { rangeOf } from './document';

/** Finds where a stage or a domain is used. */
export class ExperimentReferences implements vscode.ReferenceProvider, vscode.DocumentHighlightProvider {
  provideReferences(
    document: vscode.TextDocument,
    position: vscode.Position,
    { includeDeclaration }: vscode.ReferenceContext,
  ): vscode.Location[] {
    const places = placesAt(document, position).filter(({ role }) => includeDeclaration || role === 'reference');
    return places.map(({ span }) => new vscode.Location(document.uri, rangeOf(document, span)));
  }

  provideDocumentHighlights(document: vscode.TextDocument, position: vscode.Position): vscode.DocumentHighlight[] {
    return placesAt(document, position).map(({ span, role }) => {
      const kind = role === 'definition' ? vscode.DocumentHighlightKind.Write : vscode.DocumentHighlightKind.Read;
      return new vscode.DocumentHighlight(rangeOf(document, span), kind);
    });
  }
}

function placesAt(document: vscode.TextDocument, position: vscode.Position): NamePlace[] {
  const outline = outlineOf(document.getText());
  const place = nameAt(outline, document.offsetAt(position));
  return place ? placesOf(outline, place) : [];
}
